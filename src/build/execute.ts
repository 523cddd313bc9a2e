/** Carries a step out and publishes its layer. */

import { settleStep } from '../cache/durability.js';
import { publishEntry, treeReader } from '../cache/entries.js';
import type { Draft } from '../cache/layer-store.js';
import { abandonDraft, beginDraft, discardDraft, placeLayer } from '../cache/layer-store.js';
import type { LayerRecord, StepRecord } from '../cache/records.js';
import { checkpoint } from '../checkpoint.js';
import type { Selection } from '../context/select.js';
import { inUserNamespace } from '../exec/overlay.js';
import { inheritRoot } from '../exec/rootfs.js';
import { contentKey, definitionKey, selectionInput } from '../keys/inputs.js';
import type { TreeMeasures } from '../layers/disk-usage.js';
import { measureTree } from '../layers/disk-usage.js';
import { measureLayer } from '../layers/reserved-names.js';
import { squashLayers } from '../layers/squash.js';
import type { Explanation } from '../why/explain.js';
import { explainMiss } from '../why/explain.js';
import { executeCopy, executeWorkdir } from './execute-copy.js';
import { executeRun } from './execute-run.js';
import { executeFetch } from './fetch.js';
import type { ContentLookup, KeyedInputs, StepState } from './lookup.js';
import type { BuildSession } from './session.js';
import { stackOf } from './session.js';

interface Made extends TreeMeasures, Pick<LayerRecord, 'links' | 'withoutXattrs'> {
  readonly linked: number;
  /** Undefined: nobody has looked yet. */
  readonly opaque?: readonly string[];
  /** COPY: what was really copied. */
  readonly selections?: readonly Selection[];
}

/**
 * The step by what it has copied. A context may change between the scan that gave the step its key
 * and the copy; an entry under that key would stand for files that it does not hold.
 */
function keyedByCopy(keyed: KeyedInputs, { selections }: Made): KeyedInputs {
  const { step, inputs, operation } = keyed;
  if (step.kind !== 'copy' || step.from !== undefined || !selections) return keyed;
  const files = selections.map(selectionInput);
  const key = definitionKey(operation, files, inputs.parents);
  return key === keyed.key ? keyed : { ...keyed, key, inputs: { ...inputs, files }, selections };
}

/** What the content look-up would have found with the files that were copied. */
function foundByCopy(
  { operation, inputs, selections }: KeyedInputs,
  found: ContentLookup,
): ContentLookup {
  const facts = found.destination?.facts ?? null;
  const key = contentKey(operation, inputs.files, facts);
  return { ...found, contentKey: key, sources: { ...found.sources, selections } };
}

/** @returns undefined when the step leaves no layer */
async function make(
  session: BuildSession,
  draft: Draft,
  keyed: KeyedInputs,
  base: StepState,
  reads: readonly StepState[],
  found: ContentLookup,
): Promise<Made | undefined> {
  const { step } = keyed;
  if (step.kind === 'run') {
    return { ...(await executeRun(session, draft, step, base.layers, reads)), linked: 0 };
  }
  if (step.kind === 'fetch') {
    await executeFetch(session, draft, step, String(keyed.inputs.operands.content));
    return { ...measureLayer(draft.diff, step.location), linked: 0 };
  }
  if (step.kind === 'squash') return executeSquash(session, draft, base, reads);
  const { destination } = found;
  if (!destination) throw new Error(`${step.kind} without its destination`);
  if (step.kind === 'copy')
    return executeCopy(session, draft, step, keyed, destination, found.sources);
  return executeWorkdir(draft, destination) ? { ...measureTree(draft.diff), linked: 0 } : undefined;
}

/** @returns undefined when there is nothing to squash */
async function executeSquash(
  session: BuildSession,
  draft: Draft,
  base: StepState,
  reads: readonly StepState[],
): Promise<Made | undefined> {
  const layers = reads[0]?.layers ?? [];
  if (layers.length === base.layers.length) return undefined;
  const stack = await stackOf(session, layers);
  const own = stack.slice(0, layers.length - base.layers.length);
  inheritRoot(draft.diff, own);
  const below = stack.slice(own.length);
  const { opaque, withoutXattrs } = await squashLayers(own, below, draft.diff, inUserNamespace());
  return { ...measureTree(draft.diff), opaque, withoutXattrs, linked: 0 };
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
  return explainMiss(session.store.index, missed, treeReader(session.scanStore.readTree));
}

/** An entry that is there already for what a step has copied; takes its lease if there is none. */
export type FindCopied = (keyed: KeyedInputs) => Promise<StepRecord | undefined>;

/**
 * Carries a step out in a draft and makes it visible: rename first, then one transaction. Whatever
 * stops it in between leaves garbage in tmp/ or layers/, never an entry that is wrong.
 * @param findCopied asked when a context has changed while it was copied
 * @returns the entry, which has another key than the step then
 */
export async function executeStep(
  session: BuildSession,
  keyed: KeyedInputs,
  base: StepState,
  reads: readonly StepState[],
  found: ContentLookup,
  findCopied: FindCopied,
): Promise<StepRecord> {
  const { store, emit } = session;
  const { step } = keyed;
  // A clock that is set meanwhile must not make a duration negative.
  const started = performance.now();
  emit({
    type: 'started',
    step: step.id,
    key: keyed.key,
    // Only for who reads it: `build --quiet` has better things to do.
    get why() {
      return whyMissed(session, keyed, found);
    },
  });
  const draft = beginDraft(store.paths);
  try {
    const made = await make(session, draft, keyed, base, reads, found);
    checkpoint('layer:made');
    const copied = made ? keyedByCopy(keyed, made) : keyed;
    // The entry refers to tree nodes: they come first.
    session.scanStore.flush();
    const there = copied === keyed ? undefined : await findCopied(copied);
    if (there) discardDraft(draft);
    const entry = copied === keyed ? found : foundByCopy(copied, found);
    const record = there ?? publish(session, draft, copied, base, reads, entry, made, started);
    await settleStep(store);
    emit({
      type: 'finished',
      step: step.id,
      durationMs: Math.round(performance.now() - started),
      files: made?.files ?? 0,
      bytes: made?.bytes ?? 0,
      linked: made?.linked ?? 0,
    });
    return record;
  } catch (error) {
    abandonDraft(store.paths, draft, (id) => store.index.layers.doesExist(id));
    throw error;
  }
}

/** Moves a draft to its place and makes its entry. @param started as performance.now() */
function publish(
  { store }: BuildSession,
  draft: Draft,
  keyed: KeyedInputs,
  base: StepState,
  reads: readonly StepState[],
  found: ContentLookup,
  made: Made | undefined,
  started: number,
): StepRecord {
  const { key, step } = keyed;
  if (made) placeLayer(store.paths, draft);
  const created = Date.now();
  const record: StepRecord = {
    key,
    contentKey: found.contentKey,
    operation: keyed.operation,
    inputs: { ...keyed.inputs, files: found.sources.selections.map(selectionInput) },
    base: base.layers,
    readLayers: reads.map(({ layers }) => layers),
    reads: found.destination?.facts,
    layer: made ? draft.id : undefined,
    created,
    durationMs: Math.round(performance.now() - started),
  };
  const layer: LayerRecord | undefined = made && {
    id: draft.id,
    key,
    created,
    bytes: made.bytes,
    disk: made.disk,
    links: made.links,
    files: made.files,
    // Only a program can leave an opaque directory.
    opaque: made.opaque ?? (step.kind === 'run' ? undefined : []),
    withoutXattrs: made.withoutXattrs,
    digest: undefined,
    tree: undefined,
  };
  publishEntry(store.index, record, layer);
  checkpoint('entry:published');
  discardDraft(draft);
  checkpoint('draft:removed');
  return record;
}
