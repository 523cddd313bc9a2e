/** What the cache has of a plan: each step's key, and whether it would run. Runs nothing. */

import type { FileSource } from '../fs/scan/file-source.js';
import { createHash64 } from '../fs/scan/hash64.js';
import type { DefinitionKey } from '../keys/digest.js';
import { isKeyed, selectionInput, sourceKey } from '../keys/inputs.js';
import type { Plan } from '../plan/plan.js';
import type { SourceStep, Step, StepId } from '../plan/step.js';
import { findByOperation } from '../store/entries/entries.js';
import { noteImage } from '../store/entries/related.js';
import { indexScanStore } from '../store/entries/scan-store.js';
import { stackTree } from '../store/layers/layer-stack.js';
import { lazyScratch } from '../store/layers/layer-store.js';
import { useLayers } from '../store/pins/uses.js';
import type { LayerId } from '../store/records.js';
import type { Store } from '../store/store.js';
import type { Json } from '../util/canonical-json.js';
import { canonicalJson } from '../util/canonical-json.js';
import { isOutside } from '../util/user-namespace.js';
import type { LookupSession } from './build-session.js';
import { MissingLayersError } from './images/needed-layers.js';
import { knownLayers, type PlanImages } from './images/plan-images.js';
import type { KeyedInputs, StepState } from './lookup.js';
import { keyStep, lookupContent, NOTHING } from './lookup.js';
import type { Outlook } from './outlook.js';
import { keyedOutlook } from './outlook.js';
import { openOnce } from './run-build.js';
import type { Ground } from './stale.js';
import { groundOfEntry, NO_GROUND } from './stale.js';

/** A step with what the cache knows of it. */
export interface StepStatus {
  readonly step: Step;
  /** Undefined for steps that make no layer. */
  readonly key: DefinitionKey | undefined;
  /**
   * `none`: the step makes no layer and is never looked up. `unneeded`: the cache does not know it,
   * and what follows it is found without.
   */
  readonly status: 'hit' | 'miss' | 'none' | 'unneeded';
  /**
   * A miss only because a step before it would run: should that leave the same files as before,
   * this one is a hit after all.
   */
  readonly afterMiss: boolean;
  /** Layers of its file system, bottom first; undefined when the cache does not know them. */
  readonly layers: readonly LayerId[] | undefined;
  /** What its key is made of; undefined for steps that make no layer. */
  readonly keyed: KeyedInputs | undefined;
}

interface Known {
  readonly key: DefinitionKey | undefined;
  readonly maker: StepId | undefined;
  /** Undefined when the layers are not known, because a step would have to run first. */
  readonly state: StepState | undefined;
  /** Nothing that follows it is found before it is resolved: see Outlook.inTheWay. */
  readonly open: boolean;
  readonly ground: Ground;
}

function asOutlook({ key, maker, state, open, ground }: Known): Outlook {
  const unkeyed = { keyed: undefined, record: undefined };
  return { key, maker, layers: state?.layers, ...unkeyed, inTheWay: open, ground };
}

/** A base image whose layers are not all here would have to be pulled first. */
function sourceStatus(
  { images, store }: LookupSession,
  step: SourceStep,
): Omit<StepStatus, 'layers'> & Known {
  const none = { step, status: 'none', afterMiss: false, keyed: undefined, open: false } as const;
  if (step.digest === undefined)
    return { ...none, key: undefined, maker: undefined, state: NOTHING, ground: NO_GROUND };
  const key = sourceKey(step.digest);
  noteImage(store, key, step.digest);
  const layers = knownLayers(store, images.get(step));
  const known = layers.filter((id) => id !== undefined);
  const maker = step.id;
  const state = known.length === layers.length ? { layers: known, key, maker } : undefined;
  return { ...none, key, maker, state, ground: { ...NO_GROUND, floor: state?.layers ?? [] } };
}

/**
 * Could the step be found by its content, whatever the steps before it make? Only where the cache
 * has its operation, and for files of the build context these very files.
 */
function mayHit(store: Store, { step, operation, inputs }: KeyedInputs): boolean {
  const files = canonicalJson(inputs.files as unknown as Json);
  const filesKnown = step.kind === 'copy' && step.from === undefined;
  return findByOperation(store, operation).some(
    (record) => !filesKnown || canonicalJson(record.inputs.files as unknown as Json) === files,
  );
}

/** Content that would have to be fetched first is not looked at. */
function whenMissing(error: unknown): 'not here' {
  if (error instanceof MissingLayersError) return 'not here';
  throw error;
}

async function getStatus(
  session: LookupSession,
  step: Step,
  known: Map<StepId, Known>,
): Promise<Omit<StepStatus, 'layers'> & Known> {
  const unkeyed = { key: undefined, maker: undefined, open: false } as const;
  const nothing: Known = { ...unkeyed, state: NOTHING, ground: NO_GROUND };
  const base = step.parent === undefined ? nothing : known.get(step.parent);
  const reads = step.reads.flatMap((id) => known.get(id) ?? []);
  if (!base) throw new Error(`step ${step.id} stands before its parent`);
  if (step.kind === 'source') return sourceStatus(session, step);
  if (!isKeyed(step)) {
    return { step, ...base, status: 'none', afterMiss: false, keyed: undefined };
  }
  const parents = [base, ...reads].map(asOutlook);
  const outlook = await keyedOutlook(session, step, parents);
  // What can't be read is told now.
  const keyed = outlook.keyed ?? (await keyStep(session, step, parents));
  const { key } = keyed;
  const maker = step.id;
  const { ground } = outlook;
  const found = { step, key, maker, keyed, afterMiss: false, ground };
  if (outlook.layers)
    return { ...found, status: 'hit', state: { layers: outlook.layers, key, maker }, open: false };
  const miss = { ...found, status: 'miss', state: undefined, open: outlook.inTheWay } as const;
  const complete = reads.flatMap(({ state }) => state ?? []);
  const { store } = session;
  // Files of layers say there who they belong to in no image.
  if (!base.state || complete.length < reads.length || isOutside())
    return { ...miss, afterMiss: mayHit(store, keyed) };
  // Looking for the content reads files of the layers below.
  const below = [base.state, ...complete].flatMap((state) => state.layers);
  useLayers(store, below);
  const content = await lookupContent(session, keyed, base.state, complete).catch(whenMissing);
  if (content === 'not here') return { ...miss, afterMiss: mayHit(store, keyed) };
  const { record } = content;
  if (!record) {
    // Files of another step are known only now.
    const inputs = { ...keyed.inputs, files: content.sources.selections.map(selectionInput) };
    return { ...miss, keyed: { ...keyed, inputs } };
  }
  const layers =
    record.layer === undefined ? base.state.layers : [...base.state.layers, record.layer];
  const state = { layers, key, maker };
  const made = groundOfEntry(
    step,
    layers,
    parents.map((parent) => parent.ground),
  );
  return { ...found, status: 'hit', state, open: false, ground: made };
}

/** From the target back: a step that is found needs nothing of those below and beside it. */
function withUnneeded(plan: Plan, statuses: readonly StepStatus[]): StepStatus[] {
  const needed = new Set<StepId>([plan.target]);
  for (const { step, status } of [...statuses].reverse()) {
    if (!needed.has(step.id) || status === 'hit') continue;
    for (const id of [step.parent, ...step.reads]) if (id !== undefined) needed.add(id);
  }
  return statuses.map((one) =>
    one.status === 'miss' && !needed.has(one.step.id)
      ? { ...one, status: 'unneeded', afterMiss: false }
      : one,
  );
}

/** What looking steps up takes besides the plan. */
export interface StatusOptions {
  /** Proxies, certificates and what git may know. */
  readonly environment?: NodeJS.ProcessEnv | undefined;
  /** The agents that repositories may be asked with, by id. */
  readonly sshAgent?: LookupSession['sshAgent'] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The status of every step, in the order of the plan. */
export async function planStatus(
  plan: Plan,
  store: Store,
  openContext: (name: string) => FileSource,
  images: PlanImages,
  options: StatusOptions = {},
): Promise<StepStatus[]> {
  const { environment = {}, sshAgent = () => undefined } = options;
  const { signal = new AbortController().signal } = options;
  const scanStore = indexScanStore(store, await createHash64());
  const scratch = lazyScratch(store.paths);
  const contexts = openOnce(openContext);
  const session: LookupSession = {
    store,
    scanStore,
    context: contexts.get,
    scratch: scratch.path,
    stacks: stackTree(),
    images,
    origins: new Map(),
    sharedCache: undefined,
    skipsCache: () => false,
    credentials: plan.credentials,
    environment,
    sshAgent,
    signal,
  };
  const known = new Map<StepId, Known>();
  const statuses: StepStatus[] = [];
  try {
    for (const step of plan.steps) {
      const found = await getStatus(session, step, known);
      const { key, status, afterMiss, keyed, state } = found;
      const layers = state?.layers;
      known.set(step.id, found);
      const shown = status === 'none' ? undefined : key;
      statuses.push({ step, key: shown, status, afterMiss, layers, keyed });
    }
    scanStore.flush();
    return withUnneeded(plan, statuses);
  } finally {
    contexts.close();
    scratch.remove();
  }
}
