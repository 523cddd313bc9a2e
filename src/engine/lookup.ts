/**
 * Finds a step in the cache: by its definition key first, and where that fails by its content key
 * (early cut-off). No step is carried out here.
 */

import type { WritePlace } from '../executor/executor.js';
import type { CopySources } from '../executor/local/copy-sources.js';
import { NO_SOURCES, stageSources, withArchives } from '../executor/local/copy-sources.js';
import {
  destinationFacts,
  inspectDestination,
  readDirectoryXattrs,
  withShared,
  withWays,
  withXattrs,
} from '../fs/layer/destination.js';
import { refuseWhiteoutPath } from '../fs/layer/reserved-names.js';
import type { Stack } from '../fs/layer/stack.js';
import { resolve } from '../fs/layer/stack.js';
import { stackSource } from '../fs/layer/stack-source.js';
import type { Owner } from '../fs/layer/users.js';
import { resolveOwner } from '../fs/layer/users.js';
import { withSource } from '../fs/scan/file-source.js';
import type { Selection } from '../fs/select/select.js';
import { MOUNTED, selectFiles } from '../fs/select/select.js';
import type { ContentKey, DefinitionKey, OperationDigest } from '../keys/digest.js';
import type { KeyedStep, StepInputs } from '../keys/inputs.js';
import {
  contentKey,
  definitionKey,
  operationDigest,
  operationInputs,
  selectionInput,
} from '../keys/inputs.js';
import type { CopyStep, RunStep, StepId, WorkdirStep } from '../plan/step.js';
import {
  completeEntry,
  findByContent,
  findByDefinition,
  findByOperation,
} from '../store/entries/entries.js';
import { isPresent } from '../store/layers/adopt-layer.js';
import { tryUseLayers } from '../store/pins/uses.js';
import type { LayerId, StepRecord } from '../store/records.js';
import type { Json } from '../util/canonical-json.js';
import { DockerfileError } from '../util/errors.js';
import type { LayerReading, LookupSession } from './build-session.js';
import { getDigestedStack, getStack, layerDigests } from './build-session.js';
import { refuseConflicts, refuseDestination, withLayersBelow } from './copy-checks.js';
import { remoteIdentity } from './remote-identity.js';
import { isStale } from './stale.js';

/** The file system of a step: its layers bottom first, and the key of the step that made it. */
export interface StepState {
  readonly layers: readonly LayerId[];
  /** Undefined for scratch. */
  readonly key: DefinitionKey | undefined;
  /** The step whose key that is; instructions that make no layer pass it on. */
  readonly maker: StepId | undefined;
}

/** Nothing at all: scratch. */
export const NOTHING: StepState = { layers: [], key: undefined, maker: undefined };

/** A step with all that its definition key is made of. */
export interface KeyedInputs {
  readonly step: KeyedStep;
  readonly key: DefinitionKey;
  readonly operation: OperationDigest;
  readonly inputs: StepInputs;
  /** Files of the build context; those of other steps are selected when they are needed. */
  readonly selections: readonly Selection[];
  /** The steps that `inputs.parents` are the keys of. */
  readonly parents: readonly StepId[];
  /** Their layers; undefined where a step would have to run first. */
  readonly parentLayers: readonly (readonly LayerId[] | undefined)[];
}

/** What is known of a step below or beside when the next one gets its key. */
export type KnownParent = Pick<StepState, 'key' | 'maker'> & {
  readonly layers: readonly LayerId[] | undefined;
};

/** What COPY and WORKDIR read of the layers below. */
export interface DestinationReads extends WritePlace {
  /** The part of it that goes into the content key. */
  readonly facts: Json;
}

/** Computes a step's definition key. Reads the build context, no layer. */
export async function keyStep(
  session: LookupSession,
  step: KeyedStep,
  parents: readonly KnownParent[],
): Promise<KeyedInputs> {
  const remote = step.kind === 'fetch' ? await remoteIdentity(session, step) : undefined;
  const operationPart = operationInputs(step, remote);
  const operation = operationDigest(operationPart);
  const selections =
    step.kind === 'copy' && step.from === undefined && step.sources.length > 0
      ? await selectFiles(
          session.context(step.context),
          session.scanStore,
          step.sources,
          step.location,
          step,
        )
      : [];
  const files = selections.map(selectionInput);
  const known = parents.flatMap(({ key }) => key ?? []);
  const inputs = { ...operationPart, text: step.text, files, parents: known };
  const key = definitionKey(operation, files, known);
  return { step, key, operation, inputs, selections, ...getParents(parents) };
}

/** The same key for parents whose layers are known by now. */
export function withParents(keyed: KeyedInputs, parents: readonly KnownParent[]): KeyedInputs {
  return { ...keyed, ...getParents(parents) };
}

function getParents(
  parents: readonly KnownParent[],
): Pick<KeyedInputs, 'parents' | 'parentLayers'> {
  const keyed = parents.filter(({ key }) => key !== undefined);
  return {
    parents: keyed.flatMap(({ maker }) => maker ?? []),
    parentLayers: keyed.map(({ layers }) => layers),
  };
}

/**
 * Looks a definition key up. An entry that was made on other layers does not count: its parents
 * were rebuilt since, and only their content can tell whether it is still right.
 */
export function lookupDefinition(
  session: LookupSession,
  keyed: KeyedInputs,
  base: StepState,
  reads: readonly StepState[],
): StepRecord | undefined {
  const record = findByDefinition(session.store, keyed.key);
  return record && !isStale(record, [base, ...reads]) ? record : undefined;
}

function getOwner(stack: Stack, step: CopyStep | WorkdirStep): Owner | undefined {
  const spec = step.kind === 'copy' ? step.chown : step.user || undefined;
  if (spec === undefined) return undefined;
  // A USER that is a number owns its WORKDIR with the group of that number, as in BuildKit.
  const owner = resolveOwner(stack, spec);
  // BuildKit makes the directory as if there were no USER: the name may come with a later step.
  if ('unknown' in owner && step.kind === 'workdir') return undefined;
  if ('unknown' in owner) {
    throw new DockerfileError(owner.unknown, step.location, {
      hint: 'add the user in a step before, or use numbers',
    });
  }
  return { uid: owner.uid, gid: owner.gid };
}

/** Looks at the place a COPY or WORKDIR writes to. @throws DockerfileError */
export async function readDestination(
  stack: Stack,
  step: CopyStep | WorkdirStep,
): Promise<DestinationReads> {
  const path = step.kind === 'copy' ? step.destination : step.path;
  const follow = step.kind !== 'copy' || !step.link;
  const inspected = inspectDestination(stack, path, follow);
  if (!inspected) throw new DockerfileError(`too many symbolic links in ${path}`, step.location);
  const destination = await withXattrs(stack, inspected);
  const obstacle =
    step.kind === 'workdir' && destination.kind === 'other'
      ? destination.path
      : destination.obstacle;
  if (obstacle !== undefined) {
    throw new DockerfileError(
      `${path} can't be made: /${obstacle} is no directory`,
      step.location,
      {
        hint: 'remove it in a RUN before, or choose another path',
      },
    );
  }
  refuseWhiteoutPath(destination.path, step.location);
  const owner = getOwner(stack, step);
  const facts = { destination: destinationFacts(destination), owner: owner ? { ...owner } : null };
  return { destination, owner, facts };
}

/** The same, with what the directories that the sources have as well give to those of the layer. */
async function withSharedDirectories(
  stack: Stack,
  reads: DestinationReads,
  { shared, ways }: ReturnType<typeof refuseConflicts>,
): Promise<DestinationReads> {
  const known = withWays(stack, reads.destination, ways);
  const destination = await withShared(stack, known, [...shared, ...ways]);
  if (destination === reads.destination) return reads;
  const facts = { ...(reads.facts as object), destination: destinationFacts(destination) };
  return { ...reads, destination, facts };
}

/** What a content look-up found out, for the function that carries the step out next. */
export interface ContentLookup {
  readonly record: StepRecord | undefined;
  /** Undefined when it was not needed. */
  readonly contentKey: ContentKey | undefined;
  readonly destination: DestinationReads | undefined;
  readonly sources: CopySources;
}

/** No content look-up was made. */
export const NOT_LOOKED: ContentLookup = {
  record: undefined,
  contentKey: undefined,
  destination: undefined,
  sources: NO_SOURCES,
};

/** What a directory itself has, which a program sees of a mount besides the files in it. */
async function ownAttributes(stack: Stack, written: string): Promise<Json> {
  const { path, entry } = resolve(stack, written) ?? {};
  if (path === undefined || !entry?.stats.isDirectory()) return null;
  const { mode, uid, gid } = entry.stats;
  const xattrs = (await readDirectoryXattrs(stack, [path])).get(path) ?? [];
  return { mode: mode & 0o7777, uid, gid, xattrs };
}

/** Trees of the files that bind mounts show, and layers of what caches begin with. */
async function mountedFiles(
  session: LayerReading,
  step: RunStep,
  reads: readonly (readonly LayerId[])[],
): Promise<Json[]> {
  const files: Json[] = [];
  for (const [index, mount] of step.mounts.entries()) {
    const layers = reads[step.mountSources[index] ?? -1];
    if (!layers) continue;
    if (mount.type === 'cache') files.push(await layerDigests(session, layers));
    if (mount.type !== 'bind') continue;
    const stack = await getDigestedStack(session, layers);
    const selections = await withSource(
      stackSource(stack, mount.from ?? 'the build context'),
      (source) => selectFiles(source, session.scanStore, [mount.source], step.location, MOUNTED),
    );
    const directory = await ownAttributes(stack, mount.source);
    files.push(selections.map(({ kind, tree, links }) => ({ kind, tree, links, directory })));
  }
  return files;
}

/** The content key of a RUN. @throws MissingLayersError */
export async function runContentKey(
  session: LayerReading,
  step: RunStep,
  operation: OperationDigest,
  base: readonly LayerId[],
  reads: readonly (readonly LayerId[])[],
): Promise<ContentKey> {
  const layers = await layerDigests(session, base);
  return contentKey(operation, [], { layers, mounts: await mountedFiles(session, step, reads) });
}

/** Entries made before their content key was of interest get it now. */
async function completeCandidates(
  session: LookupSession,
  step: RunStep,
  candidates: readonly StepRecord[],
): Promise<void> {
  const { store } = session;
  for (const record of candidates) {
    if (record.contentKey !== undefined) continue;
    const needed = [...record.base, ...record.readLayers.flat()];
    if (!needed.every((id) => isPresent(session.store, id))) continue;
    const { operation, base, readLayers } = record;
    // Digesting reads their files.
    if (!tryUseLayers(store, needed)) continue;
    const key = await runContentKey(session, step, operation, base, readLayers);
    completeEntry(store, record.key, key);
  }
}

/** The files a COPY takes, wherever from. */
async function getSources(
  session: LookupSession,
  { selections }: KeyedInputs,
  step: CopyStep,
  [source]: readonly StepState[],
): Promise<CopySources> {
  if (step.from === undefined || !source) return withArchives(step, selections);
  const stack = await getDigestedStack(session, source.layers);
  return stageSources(step, stack, session.scanStore);
}

/** Looks a step up by what it really reads from its parents. */
export async function lookupContent(
  session: LookupSession,
  keyed: KeyedInputs,
  base: StepState,
  reads: readonly StepState[],
): Promise<ContentLookup> {
  const { store } = session;
  const { step, operation } = keyed;
  const useCache = !session.skipsCache(step);
  if (step.kind === 'run') {
    const candidates = useCache ? findByOperation(store, operation) : [];
    const elsewhere = useCache && (await session.sharedCache?.hasOperation(operation));
    // In a cold build this has never run before: digesting the layers below can't find anything.
    if (candidates.length === 0 && !elsewhere) {
      return {
        record: undefined,
        contentKey: undefined,
        destination: undefined,
        sources: NO_SOURCES,
      };
    }
    await completeCandidates(session, step, candidates);
    const readLayers = reads.map(({ layers }) => layers);
    const key = await runContentKey(session, step, operation, base.layers, readLayers);
    const record =
      findByContent(store, key) ?? (await session.sharedCache?.content(key, keyed, base, reads));
    return { record, contentKey: key, destination: undefined, sources: NO_SOURCES };
  }
  if (step.kind === 'squash') {
    const layers = await layerDigests(session, reads[0]?.layers ?? []);
    const key = contentKey(operation, [], { layers, below: base.layers.length });
    const record = useCache
      ? (findByContent(store, key) ?? (await session.sharedCache?.content(key, keyed, base, reads)))
      : undefined;
    return { record, contentKey: key, destination: undefined, sources: NO_SOURCES };
  }
  if (step.kind === 'fetch') {
    return {
      record: undefined,
      contentKey: undefined,
      destination: undefined,
      sources: NO_SOURCES,
    };
  }
  const stack = await getStack(session, base.layers);
  let found = await readDestination(stack, step);
  const sources = step.kind === 'copy' ? await getSources(session, keyed, step, reads) : NO_SOURCES;
  const { selections } = sources;
  if (step.kind === 'copy') {
    refuseDestination(step, found.destination, sources);
    const copied = selections.filter((selection) => !sources.archives.includes(selection));
    const both = refuseConflicts(stack, step, found.destination, copied);
    // What is made of a --link depends on nothing below.
    if (!step.link) found = await withSharedDirectories(stack, found, both);
  }
  const destination = await withLayersBelow(session, found, sources, base);
  const files = selections.map(selectionInput);
  const key = contentKey(operation, files, destination.facts);
  const record = useCache
    ? (findByContent(store, key) ?? (await session.sharedCache?.content(key, keyed, base, reads)))
    : undefined;
  return { record, contentKey: key, destination, sources };
}
