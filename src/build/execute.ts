/** Carries a step out and publishes its layer. */
import { publishEntry } from '../cache/entries.js';
import type { Draft } from '../cache/layer-store.js';
import { beginDraft, discardDraft, placeLayer } from '../cache/layer-store.js';
import type { LayerLinks, LayerRecord, StepRecord } from '../cache/records.js';
import { selectionInput } from '../keys/inputs.js';
import type { TreeMeasures } from '../layers/disk-usage.js';
import { measureTree } from '../layers/disk-usage.js';
import { executeCopy, executeWorkdir } from './execute-copy.js';
import { executeRun } from './execute-run.js';
import { executeFetch } from './fetch.js';
import type { ContentLookup, KeyedInputs, StepState } from './lookup.js';
import type { BuildSession } from './session.js';

interface Made extends TreeMeasures {
  readonly linked: number;
  readonly links?: LayerLinks | undefined;
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
  const started = Date.now();
  emit({ type: 'started', step: step.id, key });
  const draft = beginDraft(store.paths);
  try {
    const made = await make(session, draft, keyed, base, reads, found);
    // The entry refers to tree nodes: they come first.
    session.scanStore.flush();
    if (made) placeLayer(store.paths, draft);
    else discardDraft(draft);
    const created = Date.now();
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
      durationMs: created - started,
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
      digest: undefined,
      tree: undefined,
    };
    publishEntry(store.index, record, layer);
    emit({
      type: 'finished',
      step: step.id,
      durationMs: created - started,
      files: made?.files ?? 0,
      bytes: made?.bytes ?? 0,
      linked: made?.linked ?? 0,
    });
    return record;
  } catch (error) {
    discardDraft(draft);
    throw error;
  }
}
