/**
 * Resolves the steps of a plan: from the cache where it can, else by carrying them out, in
 * parallel where the DAG allows, at most `jobs` at a time.
 */

import type { DefinitionKey } from '../keys/digest.js';
import type { KeyedStep } from '../keys/inputs.js';
import { sourceKey } from '../keys/inputs.js';
import type { Plan } from '../plan/plan.js';
import type { SourceStep, Step, StepId } from '../plan/step.js';
import { publishEntry } from '../store/entries/entries.js';
import { noteImage } from '../store/entries/related.js';
import { sweepStore } from '../store/gc/sweep.js';
import { adoptLayer, requirePresent } from '../store/layers/adopt-layer.js';
import type { Lease } from '../store/pins/lease.js';
import { releaseLease, takeLease } from '../store/pins/lease.js';
import { LayersGoneError } from '../store/pins/uses.js';
import type { LayerId, StepRecord } from '../store/records.js';
import { semaphore } from '../util/semaphore.js';
import type { BuildSession } from './build-session.js';
import { executeStep } from './execute-step.js';
import { imageLayers, MissingLayersError } from './images/needed-layers.js';
import type { KeyedInputs, StepState } from './lookup.js';
import { keyStep, lookupContent, lookupDefinition, NOTHING } from './lookup.js';

/** How a plan's steps were resolved. */
export interface Resolution {
  readonly states: ReadonlyMap<StepId, StepState>;
  readonly cached: number;
  readonly executed: number;
}

interface Run {
  readonly session: BuildSession;
  readonly inSlot: <T>(task: () => Promise<T>) => Promise<T>;
  readonly used: DefinitionKey[];
  /** Layers that this build has found so far; declared as used with the next lease. */
  readonly layers: Set<LayerId>;
  cached: number;
  executed: number;
}

function stateAfter(
  base: StepState,
  record: StepRecord,
  { key, step }: Pick<KeyedInputs, 'key' | 'step'>,
): StepState {
  const layers = record.layer === undefined ? base.layers : [...base.layers, record.layer];
  return { layers, key, maker: step.id };
}

/** Makes an entry that was found by its content known under this definition key as well. */
function adopt(
  run: Run,
  keyed: KeyedInputs,
  base: StepState,
  reads: readonly StepState[],
  found: StepRecord,
): StepRecord {
  const record = {
    ...found,
    key: keyed.key,
    inputs: { ...keyed.inputs, files: found.inputs.files },
    base: base.layers,
    readLayers: reads.map(({ layers }) => layers),
  };
  publishEntry(run.session.store, record, undefined);
  return record;
}

/** Takes the step's lease; what the step may read can't be pruned after that. */
async function waitForLease(
  run: Run,
  keyed: KeyedInputs,
  states: readonly StepState[],
): Promise<Lease | undefined> {
  for (const { layers } of states) for (const id of layers) run.layers.add(id);
  const { store, signal, emit } = run.session;
  return takeLease(store, keyed.key, {
    signal,
    layers: run.layers,
    onWait: (pid) => emit({ type: 'waiting', step: keyed.step.id, pid }),
  });
}

async function resolveKeyed(
  run: Run,
  step: KeyedStep,
  base: StepState,
  reads: readonly StepState[],
): Promise<StepState> {
  const { session } = run;
  const { emit } = session;
  const keyed = await keyStep(session, step, [base, ...reads]);
  const hit = (record: StepRecord, by: 'definition' | 'content'): StepState => {
    run.cached += 1;
    run.used.push(keyed.key);
    if (record.layer !== undefined) run.layers.add(record.layer);
    emit({ type: 'cached', step: step.id, key: keyed.key, by });
    return stateAfter(base, record, keyed);
  };
  const known = session.skipsCache(step)
    ? undefined
    : lookupDefinition(session, keyed, base, reads);
  if (known) return hit(known, 'definition');
  const lease = await waitForLease(run, keyed, [base, ...reads]);
  // Publishing gives the lease back in the same transaction; everything else does it at the end.
  let copiedLease: Lease | undefined;
  // A context that changes while it is copied gives the step another key.
  const findCopied = async (copied: KeyedInputs): Promise<StepRecord | undefined> => {
    copiedLease = await waitForLease(run, copied, [base, ...reads]);
    return session.skipsCache(step) ? undefined : lookupDefinition(session, copied, base, reads);
  };
  try {
    // Whoever held the lease may have done the work meanwhile.
    const done = session.skipsCache(step)
      ? undefined
      : lookupDefinition(session, keyed, base, reads);
    if (done) return hit(done, 'definition');
    const shared = session.skipsCache(step)
      ? undefined
      : await session.sharedCache?.definition(keyed, base, reads);
    if (shared) {
      publishEntry(session.store, shared, undefined);
      return hit(shared, 'definition');
    }
    const found = await lookupContent(session, keyed, base, reads);
    if (found.record) {
      const adopted = adopt(run, keyed, base, reads, found.record);
      return hit(adopted, 'content');
    }
    const record = await run.inSlot(() => {
      session.signal.throwIfAborted();
      return executeStep(session, keyed, base, reads, found, findCopied);
    });
    run.executed += 1;
    return stateAfter(base, record, { key: record.key, step });
  } finally {
    for (const one of [lease, copiedLease]) if (one) releaseLease(session.store, one);
  }
}

/** The layers that a stage begins with; a stage that only hits follow needs none of their files. */
function resolveSource(session: BuildSession, step: SourceStep): StepState {
  const image = session.images.get(step);
  if (step.digest === undefined || !image) return NOTHING;
  const key = sourceKey(step.digest);
  noteImage(session.store, key, step.digest);
  const maker = step.id;
  if ('stored' in image) {
    requirePresent(session.store, image.stored.layers, `the image ${step.reference}`);
    return { layers: image.stored.layers, key, maker };
  }
  if ('inPlace' in image) {
    const layers = image.inPlace.layers.map((layer) => adoptLayer(session.store, layer));
    return { layers, key, maker };
  }
  return { layers: imageLayers(session, image), key, maker };
}

async function resolveStep(
  run: Run,
  step: Step,
  states: Map<StepId, Promise<StepState>>,
): Promise<StepState> {
  const base = step.parent === undefined ? NOTHING : await states.get(step.parent);
  const reads = await Promise.all(step.reads.map((id) => states.get(id)));
  if (!base || reads.some((state) => state === undefined)) {
    throw new Error(`step ${step.id} stands before a step it depends on`);
  }
  if (step.kind === 'meta') return base;
  run.session.signal.throwIfAborted();
  try {
    if (step.kind === 'source') return resolveSource(run.session, step);
    return await resolveKeyed(run, step, base, reads as StepState[]);
  } catch (error) {
    // Not the step's failure: the whole build starts over, or without a layer that nobody has.
    if (error instanceof LayersGoneError || error instanceof MissingLayersError) throw error;
    const { emit, signal } = run.session;
    if (signal.aborted && error === signal.reason) emit({ type: 'stopped', step: step.id });
    else emit({ type: 'failed', step: step.id, message: (error as Error).message });
    throw error;
  }
}

/**
 * Resolves every step of a plan.
 * @param stop called with the first error, so that what runs beside it is stopped as well
 * @throws the first step's error, once nothing runs any more
 */
export async function resolvePlan(
  session: BuildSession,
  plan: Plan,
  jobs: number,
  stop: (reason: unknown) => void,
): Promise<Resolution & { readonly used: readonly DefinitionKey[] }> {
  sweepStore(session.store);
  const run: Run = {
    session,
    inSlot: semaphore(jobs),
    used: [],
    layers: new Set(),
    cached: 0,
    executed: 0,
  };
  const states = new Map<StepId, Promise<StepState>>();
  let failure: { readonly error: unknown } | undefined;
  for (const step of plan.steps) {
    const state = resolveStep(run, step, states);
    state.catch((error: unknown) => {
      failure ??= { error };
      stop(error);
    });
    states.set(step.id, state);
  }
  await Promise.allSettled(states.values());
  if (failure) throw failure.error;
  const resolved = new Map<StepId, StepState>();
  for (const [id, state] of states) resolved.set(id, await state);
  return { states: resolved, cached: run.cached, executed: run.executed, used: run.used };
}
