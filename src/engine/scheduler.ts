/**
 * Resolves the steps of a plan: from the cache where it can, else by carrying them out, in
 * parallel where the DAG allows (step-slots.ts).
 */

import type { ExecutionIo } from '../executor/executor.js';
import type { DefinitionKey } from '../keys/digest.js';
import type { KeyedStep } from '../keys/inputs.js';
import { isKeyed, operationDigest, operationInputs } from '../keys/inputs.js';
import type { Plan } from '../plan/plan.js';
import type { Step, StepId } from '../plan/step.js';
import { findByOperation, publishEntries, publishEntry } from '../store/entries/entries.js';
import { sweepStore } from '../store/gc/sweep.js';
import type { Lease } from '../store/pins/lease.js';
import { releaseLease, takeLease } from '../store/pins/lease.js';
import { LayersGoneError } from '../store/pins/uses.js';
import type { LayerId, StepRecord } from '../store/records.js';
import type { BuildSession } from './build-session.js';
import type { EarlyLeases } from './early-leases.js';
import { earlyLeases } from './early-leases.js';
import { executeStep } from './execute-step.js';
import { expectRun } from './expect-run.js';
import { MissingLayersError } from './images/needed-layers.js';
import { knownStates } from './known-states.js';
import type { KeyedInputs, StepState } from './lookup.js';
import {
  keyStep,
  lookupContent,
  lookupDefinition,
  NOT_LOOKED,
  NOTHING,
  withParents,
} from './lookup.js';
import type { Outlook } from './outlook.js';
import { keyedOutlook, openOutlook, sourceOutlook } from './outlook.js';
import type { Publisher } from './publisher.js';
import { openPublisher } from './publisher.js';
import { isStale, NO_GROUND } from './stale.js';
import type { InSlot } from './step-slots.js';
import { followerOf, getParents, stepsAhead, usersOf } from './steps-ahead.js';

/** How a plan's steps were resolved. */
export interface Resolution {
  readonly states: ReadonlyMap<StepId, StepState>;
  readonly cached: number;
  readonly executed: number;
}

/** What the steps of one resolution share. */
export interface Run {
  readonly session: BuildSession;
  readonly inSlot: InSlot;
  readonly publisher: Publisher;
  readonly used: DefinitionKey[];
  /** Layers that this build has found so far; declared as used with the next lease. */
  readonly layers: Set<LayerId>;
  readonly early: EarlyLeases;
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

function noteHit(run: Run, step: StepId, record: StepRecord, by: 'definition' | 'content'): void {
  run.cached += 1;
  run.used.push(record.key);
  if (record.layer !== undefined) run.layers.add(record.layer);
  run.session.emit({ type: 'cached', step, key: record.key, by, durationMs: record.durationMs });
}

function hit(
  run: Run,
  keyed: KeyedInputs,
  base: StepState,
  record: StepRecord,
  by: 'definition' | 'content',
): StepState {
  noteHit(run, keyed.step.id, record, by);
  run.early.drop(keyed.key);
  return stateAfter(base, record, keyed);
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
  const early = run.early.take(keyed.key, run.layers);
  if (early) return early;
  return takeLease(store, keyed.key, {
    signal,
    layers: run.layers,
    onWait: (pid) => emit({ type: 'waiting', step: keyed.step.id, pid }),
  });
}

/** Resolves a step that its definition key alone did not find, once its parents are resolved. */
export async function resolveOpen(
  run: Run,
  keyed: KeyedInputs,
  base: StepState,
  reads: readonly StepState[],
  ahead?: ExecutionIo['ahead'],
  onBegun: () => void = () => {},
): Promise<StepState> {
  const { session } = run;
  const { store } = session;
  const { step } = keyed;
  const mayHit = !session.skipsCache(step);
  const lookUp = (wanted: KeyedInputs) =>
    mayHit || session.madeNow?.has(wanted.key)
      ? lookupDefinition(session, wanted, base, reads)
      : undefined;
  const found = lookUp(keyed);
  if (found) return hit(run, keyed, base, found, 'definition');
  const lease = await waitForLease(run, keyed, [base, ...reads]);
  // What is published later gives the lease back by then; everything else does it at the end.
  let isPublishing = false;
  const publisher: Publisher = {
    ...run.publisher,
    add(publication) {
      isPublishing = true;
      run.publisher.add(publication);
    },
  };
  let copiedLease: Lease | undefined;
  const release = () => {
    for (const one of [lease, copiedLease]) if (one) releaseLease(store, one);
  };
  // A context that changes while it is copied gives the step another key.
  const findCopied = async (copied: KeyedInputs): Promise<StepRecord | undefined> => {
    copiedLease = await waitForLease(run, copied, [base, ...reads]);
    return lookUp(copied);
  };
  try {
    // The build that held the lease may have done the work meanwhile.
    const done = lookUp(keyed);
    if (done) return hit(run, keyed, base, done, 'definition');
    const shared = mayHit
      ? await session.sharedCache?.definition(keyed, [base, ...reads])
      : undefined;
    if (shared && !isStale(shared, [base, ...reads])) {
      publishEntry(store, shared, undefined);
      return hit(run, keyed, base, shared, 'definition');
    }
    await run.publisher.flushFor(keyed.operation);
    // Who carries it out has the files that it reads, or fetches them once: a RUN reads none for this.
    const looksElsewhere = step.kind !== 'run' && session.executor.travels?.(step);
    const content = looksElsewhere ? NOT_LOOKED : await lookupContent(session, keyed, base, reads);
    if (content.record)
      return hit(run, keyed, base, adopt(run, keyed, base, reads, content.record), 'content');
    const { record, isCached } = await run.inSlot(step, () => {
      session.signal.throwIfAborted();
      onBegun();
      const services = { findCopied, publisher, release, ahead };
      return executeStep(session, keyed, base, reads, content, services);
    });
    if (isCached) run.cached += 1;
    else run.executed += 1;
    session.madeNow?.add(record.key);
    return stateAfter(base, record, { key: record.key, step });
  } finally {
    if (!isPublishing) release();
  }
}

/** The steps of a plan, each looked up and resolved once, when somebody asks for it. */
interface Walk {
  readonly run: Run;
  readonly steps: ReadonlyMap<StepId, Step>;
  /** For each step, those that stand on it or read its files. */
  readonly users: ReadonlyMap<StepId, readonly Step[]>;
  readonly outlooks: Map<StepId, Promise<Outlook>>;
  readonly states: Map<StepId, Promise<StepState>>;
  /** Told of the first failure. */
  readonly stop: (error: unknown) => void;
}

function stepAt({ steps }: Walk, id: StepId): Step {
  const step = steps.get(id);
  if (!step) throw new Error(`there is no step ${id}`);
  return step;
}

const EMPTY: Outlook = {
  ...NOTHING,
  keyed: undefined,
  record: undefined,
  inTheWay: false,
  ground: NO_GROUND,
};

/** Keeps what is begun for a step; a caller that waits for it hears of its failure. */
function once<T>(begun: Map<StepId, Promise<T>>, id: StepId, begin: () => Promise<T>): Promise<T> {
  const known = begun.get(id);
  if (known) return known;
  const promise = begin();
  promise.catch(() => {});
  begun.set(id, promise);
  return promise;
}

function lookAt(walk: Walk, id: StepId): Promise<Outlook> {
  return once(walk.outlooks, id, () => makeOutlook(walk, stepAt(walk, id)));
}

async function makeOutlook(walk: Walk, step: Step): Promise<Outlook> {
  const { run } = walk;
  const { session } = run;
  if (step.kind === 'source') return sourceOutlook(session, step);
  // A call for each step of a long chain would not fit on the stack.
  await undefined;
  const parents = await Promise.all(
    getParents(step).map((id) => (id === undefined ? EMPTY : lookAt(walk, id))),
  ).catch(() => undefined);
  // The call that resolves the parents reports what is wrong with them.
  if (!parents) return openOutlook(step, undefined);
  if (!isKeyed(step)) return parents[0] ?? EMPTY;
  const outlook = await keyedOutlook(session, step, parents);
  if (outlook.record) noteHit(run, step.id, outlook.record, 'definition');
  return outlook;
}

/**
 * May the definition key find the step? Where its instruction was never run, what stands below it is
 * needed in any case, and need not wait until all keys are known.
 */
async function mayBeFound({ session }: Run, step: Step): Promise<boolean> {
  if (!isKeyed(step) || step.kind === 'fetch') return true;
  if (session.skipsCache(step)) return false;
  const operation = operationDigest(operationInputs(step));
  if (findByOperation(session.store, operation).length > 0) return true;
  return (await session.sharedCache?.hasOperation(operation)) ?? false;
}

function resolve(walk: Walk, id: StepId): Promise<StepState> {
  return once(walk.states, id, () => {
    const state = makeState(walk, stepAt(walk, id));
    state.catch(walk.stop);
    return state;
  });
}

async function makeState(walk: Walk, step: Step): Promise<StepState> {
  const { run } = walk;
  if (await mayBeFound(run, step)) {
    const { layers, key, maker } = await reporting(run, step, () => lookAt(walk, step.id));
    if (layers) return { layers, key, maker };
    expectRun(run.session, step, false);
  } else expectRun(run.session, step, true);
  const parents = await Promise.all(
    getParents(step).map((id) => (id === undefined ? NOTHING : resolve(walk, id))),
  );
  const [base = NOTHING] = parents;
  if (!isKeyed(step)) return base;
  return reporting(run, step, () => resolveBelow(walk, step, parents));
}

/** Resolves a step on what is below and beside it. */
async function resolveBelow(
  walk: Walk,
  step: KeyedStep,
  parents: readonly StepState[],
): Promise<StepState> {
  const { run } = walk;
  const { session } = run;
  session.signal.throwIfAborted();
  const { layers, key, maker, keyed } = await lookAt(walk, step.id);
  if (layers) return { layers, key, maker };
  const keys = parents.flatMap((parent) => parent.key ?? []);
  // A parent has another key when its context changed while it was copied.
  const same = keyed !== undefined && keys.join() === keyed.inputs.parents.join();
  const now = same ? withParents(keyed, parents) : await keyStep(session, step, parents);
  const [base = NOTHING, ...reads] = parents;
  return resolveOpen(
    run,
    now,
    base,
    reads,
    () => stepsAhead(session, walk.users, now, (id) => lookAt(walk, id)),
    () => void setImmediate(() => leaseNext(walk, now).catch(() => {})),
  );
}

/** See early-leases.ts. Whatever goes wrong is told when that step's turn comes. */
async function leaseNext(walk: Walk, { step, key }: KeyedInputs): Promise<void> {
  const { run, users } = walk;
  const next = step.kind === 'run' ? followerOf(users, step.id) : undefined;
  if (next?.kind !== 'run' || run.session.executor.travels?.(next) || (await mayBeFound(run, next)))
    return;
  const { keyed, record } = await lookAt(walk, next.id);
  // A parent has another key when its context changed while it was copied.
  if (keyed && !record && keyed.inputs.parents.join() === key) run.early.prepare(keyed.key);
}

/** Says of a step that it failed, or was only stopped. */
async function reporting<T>(
  { session: { emit, signal } }: Run,
  { id }: Step,
  action: () => Promise<T>,
): Promise<T> {
  try {
    return await action();
  } catch (error) {
    // Not the step's failure: the whole build starts over, or without a layer that no source has.
    if (error instanceof LayersGoneError || error instanceof MissingLayersError) throw error;
    if (signal.aborted && error === signal.reason) emit({ type: 'stopped', step: id });
    else emit({ type: 'failed', step: id, message: (error as Error).message });
    throw error;
  }
}

/** Waits until nothing runs any more, whatever became of it. */
async function settled<T>(begun: ReadonlyMap<StepId, Promise<T>>): Promise<void> {
  for (let count = -1; count < begun.size; ) {
    count = begun.size;
    await Promise.allSettled(begun.values());
  }
}

/**
 * Resolves a plan from its target back: a step that its definition key finds needs nothing of those
 * below and beside it; only one that is not found asks for them.
 * @param inSlot lets a step wait until there is room for it
 * @param stop called with the first error, so that what runs beside it is stopped as well
 * @returns the states of all steps but those that were not needed and that the cache does not know
 * @throws the first step's error, once nothing runs any more
 */
export async function resolvePlan(
  session: BuildSession,
  plan: Plan,
  inSlot: InSlot,
  stop: (reason: unknown) => void,
): Promise<Resolution & { readonly used: readonly DefinitionKey[] }> {
  sweepStore(session.store);
  let failure: { readonly error: unknown } | undefined;
  const fail = (error: unknown) => {
    failure ??= { error };
    stop(error);
  };
  const run: Run = {
    session,
    inSlot,
    publisher: openPublisher(
      (entries) => publishEntries(session.store, entries, session.scanStore.unwritten()),
      fail,
    ),
    used: [],
    layers: new Set(),
    early: earlyLeases(session.store),
    cached: 0,
    executed: 0,
  };
  const walk: Walk = {
    run,
    steps: new Map(plan.steps.map((step) => [step.id, step])),
    users: usersOf(plan.steps),
    outlooks: new Map(),
    states: new Map(),
    stop: fail,
  };
  await resolve(walk, plan.target).catch(() => {});
  await settled(walk.states);
  await settled(walk.outlooks);
  await run.publisher.settle();
  run.early.close();
  if (failure) throw failure.error;
  const { cached, executed, used } = run;
  return { states: await knownStates(plan, walk), cached, executed, used };
}
