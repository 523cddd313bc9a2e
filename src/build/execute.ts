/** Carries a step out and publishes its layer. */

import { settleStep } from '../cache/durability.js';
import { publishEntry, treeReader } from '../cache/entries.js';
import type { Draft } from '../cache/layer-store.js';
import { abandonDraft, beginDraft, discardDraft, placeLayer } from '../cache/layer-store.js';
import type { LayerRecord, StepRecord } from '../cache/records.js';
import { checkpoint } from '../checkpoint.js';
import { selectionInput } from '../keys/inputs.js';
import type { TreeMeasures } from '../layers/disk-usage.js';
import { measureTree } from '../layers/disk-usage.js';
import type { Explanation } from '../why/explain.js';
import { explainMiss } from '../why/explain.js';
import { executeCopy, executeWorkdir } from './execute-copy.js';
import { executeRun } from './execute-run.js';
import { executeFetch } from './fetch.js';
import type { ContentLookup, KeyedInputs, StepState } from './lookup.js';
import type { BuildSession } from './session.js';

interface Made extends TreeMeasures, Pick<LayerRecord, 'links' | 'withoutXattrs'> {
  readonly linked: number;
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
    return { ...measureTree(draft.diff), linked: 0 };
  }
  const { destination } = found;
  if (!destination) throw new Error(`${step.kind} without its destination`);
  if (step.kind === 'copy')
    return executeCopy(session, draft, step, keyed, destination, found.selections);
  return executeWorkdir(draft, destination) ? { ...measureTree(draft.diff), linked: 0 } : undefined;
}

/** Looked up before the step is published, which makes it its own nearest entry. */
function whyMissed(
  session: BuildSession,
  keyed: KeyedInputs,
  { selections }: ContentLookup,
): Explanation {
  const { step } = keyed;
  if (session.skipsCache(step)) return { kind: 'no cache' };
  const files = step.kind === 'copy' ? selections.map(selectionInput) : keyed.inputs.files;
  const missed = { ...keyed, inputs: { ...keyed.inputs, files } };
  return explainMiss(session.store.index, missed, treeReader(session.scanStore.readTree));
}

/**
 * Carries a step out in a draft and makes it visible: rename first, then one transaction. Whatever
 * stops it in between leaves garbage in tmp/ or layers/, never an entry that is wrong.
 */
export async function executeStep(
  session: BuildSession,
  keyed: KeyedInputs,
  base: StepState,
  reads: readonly StepState[],
  found: ContentLookup,
): Promise<StepRecord> {
  const { store, emit } = session;
  const { step, key } = keyed;
  // A clock that is set meanwhile must not make a duration negative.
  const started = performance.now();
  emit({
    type: 'started',
    step: step.id,
    key,
    // Only for who reads it: `build --quiet` has better things to do.
    get why() {
      return whyMissed(session, keyed, found);
    },
  });
  const draft = beginDraft(store.paths);
  try {
    const made = await make(session, draft, keyed, base, reads, found);
    checkpoint('layer:made');
    // The entry refers to tree nodes: they come first.
    session.scanStore.flush();
    if (made) placeLayer(store.paths, draft);
    const created = Date.now();
    const durationMs = Math.round(performance.now() - started);
    const record: StepRecord = {
      key,
      contentKey: found.contentKey,
      operation: keyed.operation,
      inputs: {
        ...keyed.inputs,
        files: found.selections.map(selectionInput),
      },
      base: base.layers,
      readLayers: reads.map(({ layers }) => layers),
      reads: found.destination?.facts,
      layer: made ? draft.id : undefined,
      created,
      durationMs,
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
      opaque: step.kind === 'run' ? undefined : [],
      withoutXattrs: made.withoutXattrs,
      digest: undefined,
      tree: undefined,
    };
    publishEntry(store.index, record, layer);
    checkpoint('entry:published');
    discardDraft(draft);
    checkpoint('draft:removed');
    await settleStep(store);
    emit({
      type: 'finished',
      step: step.id,
      durationMs,
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
