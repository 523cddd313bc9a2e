/** Has a step carried out, and has its layer published. */
import { setImmediate } from 'node:timers/promises';
import type {
  ExecutionInputs,
  ExecutionIo,
  InputLayer,
  LayerArtifact,
} from '../executor/executor.js';
import type { DefinitionKey } from '../keys/digest.js';
import type { KeyedStep, SelectionInput } from '../keys/inputs.js';
import { contentKey, definitionKey, selectionInput } from '../keys/inputs.js';
import type { Digest } from '../oci/resolved-image.js';
import { layerDiffId } from '../store/blobs/diff-ids.js';
import type { NewEntry } from '../store/entries/entries.js';
import { draftEntry, dropDrafts, treeReader } from '../store/entries/entries.js';
import { isPublished } from '../store/layers/find-layers.js';
import { layerDigests } from '../store/layers/layer-digests.js';
import { countStacked } from '../store/layers/layer-stack.js';
import type { Draft } from '../store/layers/layer-store.js';
import {
  abandonDraft,
  discardDraft,
  discardDraftSoon,
  getDraft,
  makeLayerLink,
  placeLayer,
} from '../store/layers/layer-store.js';
import { layerOfDiffId } from '../store/layers/remote-layers.js';
import { addUnpublished, dropUnpublished, unpublishedLayer } from '../store/layers/unpublished.js';
import type { LayerId, LayerRecord, StepRecord } from '../store/records.js';
import { settleStep } from '../store/recovery/durability.js';
import { checkpoint } from '../util/checkpoint.js';
import type { Explanation } from '../why/explain.js';
import { explainMiss } from '../why/explain.js';
import type { BuildSession } from './build-session.js';
import { carryOut } from './carry-out.js';
import { findFormerCopy } from './former-copy.js';
import { addOrigin, needLayers } from './images/needed-layers.js';
import { receiveArchive } from './images/receive-archive.js';
import type { ContentLookup, KeyedInputs, StepState } from './lookup.js';
import type { Publication, Publisher } from './publisher.js';

/** A step with the files that it takes, as they go into its entry. */
interface Entry {
  readonly keyed: KeyedInputs;
  readonly contentKey: ContentLookup['contentKey'];
  readonly files: readonly SelectionInput[];
}

/**
 * The step by what it has copied. A context may change between the scan that gave the step its key
 * and the copy; an entry under that key would stand for files that it does not hold.
 */
function entryOfCopy(
  keyed: KeyedInputs,
  found: ContentLookup,
  selections: readonly SelectionInput[] | undefined,
): Entry {
  const { step, inputs, operation } = keyed;
  const looked = found.sources.selections.map(selectionInput);
  const asFound = { keyed, contentKey: found.contentKey, files: looked };
  // Another step's files don't change.
  if (step.kind !== 'copy' || step.from !== undefined || !selections) return asFound;
  const key = definitionKey(operation, selections, inputs.parents);
  if (key === keyed.key) return asFound;
  const facts = found.destination?.facts ?? null;
  return {
    keyed: { ...keyed, key, inputs: { ...inputs, files: selections } },
    contentKey: contentKey(operation, selections, facts),
    files: selections,
  };
}

/** Looked up before the step is published, which makes it its own nearest entry. */
function whyMissed(
  session: BuildSession,
  keyed: KeyedInputs,
  { sources: { selections } }: ContentLookup,
): Explanation {
  const { step } = keyed;
  if (session.skipsCache(step)) return { kind: 'no cache' };
  const files = step.kind === 'copy' ? selections.map(selectionInput) : keyed.inputs.files;
  const missed = { ...keyed, inputs: { ...keyed.inputs, files } };
  return explainMiss(session.store, missed, treeReader(session.scanStore.readTree));
}

/** Names layers as the executor knows them, and makes sure that their files are here. */
async function inputLayers(
  session: BuildSession,
  layers: readonly LayerId[],
  travels: boolean,
): Promise<InputLayer[]> {
  const { store, executor } = session;
  if (travels) return layers.map((id) => ({ id, diffId: undefined }));
  await needLayers(session, layers.slice(countStacked(layers, session.stacks)));
  if (executor.sharesStore) return layers.map((id) => ({ id, diffId: undefined }));
  return Promise.all(layers.map(async (id) => ({ id, diffId: await layerDiffId(store, id) })));
}

async function getInputs(
  session: BuildSession,
  keyed: KeyedInputs,
  base: StepState,
  reads: readonly StepState[],
  found: ContentLookup,
): Promise<ExecutionInputs> {
  const { step } = keyed;
  const { sources, destination } = found;
  const linkable =
    step.kind === 'copy' &&
    session.executor.sharesStore &&
    sources.archives.length === 0 &&
    !session.skipsCache(step);
  const { content } = keyed.inputs.operands;
  const travels = session.executor.travels?.(step) ?? false;
  return {
    base: await inputLayers(session, base.layers, travels),
    reads: await Promise.all(reads.map(({ layers }) => inputLayers(session, layers, travels))),
    place: destination && { destination: destination.destination, owner: destination.owner },
    former: linkable && destination ? findFormerCopy(session, keyed, destination) : undefined,
    identity: step.kind === 'fetch' ? String(content) : undefined,
  };
}

/** The artifact's files as a draft of this store. */
async function draftOfArtifact(
  { store, executor }: BuildSession,
  { content }: LayerArtifact,
): Promise<Draft | undefined> {
  if (content.kind === 'none' || content.kind === 'blob') return undefined;
  if (content.kind === 'draft') return getDraft(store.paths, content.id);
  if (!executor.openArchive) throw new Error('an archive of an executor that has none');
  return receiveArchive(store, content.diffId, await executor.openArchive(content.diffId));
}

/** The layer that stays where its executor has put it, as this store calls it. */
function remoteLayer(
  { store, origins, executor, emit }: BuildSession,
  key: DefinitionKey,
  { content }: LayerArtifact,
): LayerId | undefined {
  if (content.kind !== 'blob') return undefined;
  const { descriptor, diffId, digest, newest } = content.layer;
  const { openBlob, blobRegistry } = executor;
  if (!openBlob) throw new Error('a blob of an executor that opens none');
  let isLost = false;
  addOrigin(origins, {
    layer: { descriptor, diffId: diffId as Digest, newest, open: () => openBlob(descriptor) },
    registry: blobRegistry,
    isUsable: () => !isLost,
    reportFailure: ({ message }) => {
      if (!isLost)
        emit({ type: 'warning', message: `${message}: the step that made it runs again` });
      isLost = true;
    },
  });
  return layerOfDiffId(store, diffId, { digest, key });
}

/** An entry that is there already for what a step has copied; takes its lease if there is none. */
export type FindCopied = (keyed: KeyedInputs) => Promise<StepRecord | undefined>;

/** What carrying a step out takes besides its inputs. */
export interface StepServices {
  /** Asked when a context has changed while it was copied. */
  readonly findCopied: FindCopied;
  readonly publisher: Publisher;
  /** Gives the step's lease back: what is published calls it when its entry is there, or is given up. */
  readonly release: () => void;
  /** See ExecutionIo. */
  readonly ahead?: ExecutionIo['ahead'];
}

/** What a step has come to. */
export interface ExecutedStep {
  /** It has another key than the step when its context has changed. */
  readonly record: StepRecord;
  /** Nothing ran: the executor had it. */
  readonly isCached: boolean;
}

/**
 * Has a step carried out and makes its layer visible: rename first, then one transaction, which other
 * steps need not wait for. Whatever stops it in between leaves garbage in tmp/ or layers/, never an
 * entry that is wrong.
 */
export async function executeStep(
  session: BuildSession,
  keyed: KeyedInputs,
  base: StepState,
  reads: readonly StepState[],
  found: ContentLookup,
  { findCopied, publisher, release, ahead }: StepServices,
): Promise<ExecutedStep> {
  const { store, emit } = session;
  const { step } = keyed;
  await session.shells?.quiet(session.signal);
  // A clock that is set meanwhile must not make a duration negative.
  const started = performance.now();
  emit({
    type: 'started',
    step: step.id,
    key: keyed.key,
    ...(session.explain ? { why: whyMissed(session, keyed, found) } : {}),
  });
  const inputs = await getInputs(session, keyed, base, reads, found);
  const made = await carryOut(session, keyed, inputs, found, ahead);
  const isCached = made.found?.cached === true;
  const draft = await draftOfArtifact(session, made);
  let isHandedOver = false;
  try {
    checkpoint('layer:made');
    const entry = entryOfCopy(keyed, found, made.selections);
    const there = entry.keyed === keyed ? undefined : await findCopied(entry.keyed);
    if (there) session.scanStore.flush();
    if (there && draft) discardDraft(draft);
    const durationMs = Math.round(performance.now() - started);
    const { record, layer } = there
      ? { record: there, layer: undefined }
      : place(session, draft, entry, base, reads, found, made, durationMs);
    if (!there) {
      // It is the publisher's from now on, whatever a listener of events throws.
      isHandedOver = true;
      const fresh = made.fresh &&
        inputs.former && { paths: made.fresh, former: inputs.former.layer };
      publisher.add(publicationOf(session, step, draft, record, layer, fresh, release));
    }
    // The disk of another machine's executor, and one sync a step, are waited for; and a layer that travels is
    // packed, which only one that is published can note.
    const { sharesStore, travels } = session.executor;
    if (!sharesStore || travels || store.sync === 'full') await publisher.flush();
    await settleStep(store);
    const { files, bytes, linked } = made;
    emit({
      type: 'finished',
      step: step.id,
      durationMs: Math.round(performance.now() - started),
      files,
      bytes,
      linked,
      ...(isCached ? { cached: true } : {}),
    });
    return { record, isCached };
  } catch (error) {
    if (draft && !isHandedOver) abandonDraft(store.paths, draft, (id) => isPublished(store, id));
    throw error;
  }
}

/** Moves a draft to its place, and says what its entry is. */
function place(
  session: BuildSession,
  draft: Draft | undefined,
  { keyed, contentKey, files }: Entry,
  base: StepState,
  reads: readonly StepState[],
  found: ContentLookup,
  made: LayerArtifact,
  durationMs: number,
): { readonly record: StepRecord; readonly layer: LayerRecord | undefined } {
  const { key, step } = keyed;
  const { found: other } = made;
  if (draft) placeLayer(session.store.paths, draft);
  const created = Date.now();
  const record: StepRecord = {
    key,
    contentKey: other?.contentKey ?? contentKey,
    operation: keyed.operation,
    inputs: { ...keyed.inputs, files: other?.files ?? files },
    base: base.layers,
    readLayers: reads.map(({ layers }) => layers),
    reads: other ? other.reads : found.destination?.facts,
    layer: draft?.id ?? remoteLayer(session, key, made),
    // The trees of what it took are where it was made.
    ...(other ? { imported: true as const } : {}),
    created,
    durationMs,
  };
  const layer: LayerRecord | undefined = draft && {
    id: draft.id,
    key,
    created,
    bytes: made.bytes,
    disk: made.disk,
    files: made.files,
    // Only a program can leave an opaque directory.
    opaque: made.opaque ?? (step.kind === 'run' ? undefined : []),
    withoutXattrs: made.withoutXattrs,
    // Nodes of a tree, and files with other names, are in the store of the executor that made it.
    ...(made.content.kind === 'draft'
      ? { digest: made.digest, tree: made.tree, links: made.links }
      : { digest: undefined, tree: undefined, links: undefined }),
  };
  return { record, layer };
}

/** How what was placed is published; the steps behind it can use the layer at once. */
function publicationOf(
  session: BuildSession,
  step: KeyedStep,
  draft: Draft | undefined,
  record: StepRecord,
  layer: LayerRecord | undefined,
  fresh: NewEntry['fresh'],
  release: () => void,
): Publication {
  const { store, scanStore, onPublished } = session;
  const { paths } = store;
  if (layer) addUnpublished(store, layer);
  let drafts: NewEntry['drafts'];
  let drafted: LayerRecord | undefined;
  // The files that a program has made are read while the step behind it runs: that is begun first. Whoever needs the
  // digest waits for this one.
  const digested =
    layer && step.kind === 'run'
      ? layerDigests(store, scanStore, [layer.id], () => setImmediate())
      : undefined;
  digested?.catch(() => {});
  return {
    operation: record.operation,
    async prepare() {
      await digested;
      dropDrafts(drafts);
      drafted = layer && unpublishedLayer(store, layer.id);
      drafts = draftEntry(store, record, drafted);
      if (draft) makeLayerLink(paths, draft.id);
    },
    entry(again) {
      const now = layer && unpublishedLayer(store, layer.id);
      // More may have been found out about it since.
      const fits = !again && now === drafted;
      if (!fits) dropDrafts(drafts);
      return { step: record, layer: now, fresh, drafts: fits ? drafts : undefined };
    },
    async done() {
      if (layer) dropUnpublished(store, layer.id);
      checkpoint('entry:published');
      onPublished(step.id, record.key);
      release();
      if (draft) await discardDraftSoon(paths, draft);
      checkpoint('draft:removed');
    },
    abandon() {
      try {
        dropDrafts(drafts);
        if (layer) dropUnpublished(store, layer.id);
        if (draft) abandonDraft(paths, draft, (id) => isPublished(store, id));
      } finally {
        // Whatever is wrong with the index: other builds of this process wait for the lease as long as it lives.
        release();
      }
    },
  };
}
