/** Carries a chain of steps out: each in its turn, unless this worker or another one has done it already. */
import type { KeyObject } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { BuildSession } from '../engine/build-session.js';
import { earlyLeases } from '../engine/early-leases.js';
import { openLayerBlob } from '../engine/layer-blob.js';
import type { KeyedInputs, StepState } from '../engine/lookup.js';
import { runContentKey } from '../engine/lookup.js';
import { openPublisher } from '../engine/publisher.js';
import type { Run } from '../engine/scheduler.js';
import { resolveOpen } from '../engine/scheduler.js';
import { groundOf, isMadeOn, lastStart } from '../executor/queue/coordinator.js';
import { toWire } from '../executor/queue/queue-executor.js';
import type {
  ChainJob,
  StepOutcome,
  WireFailure,
  WireLayer,
  WireStep,
} from '../executor/queue/queue-protocol.js';
import { HOLDERS_KEPT_S, KEYS, MOST_STARTS } from '../executor/queue/queue-protocol.js';
import { isBelieved, signOutcome } from '../executor/queue/queue-trust.js';
import { readEntry } from '../executor/queue/step-listener.js';
import type { ContentKey } from '../keys/digest.js';
import type { KeyedStep } from '../keys/inputs.js';
import type { StepId } from '../plan/step.js';
import { completeEntry, findByDefinition, publishEntries } from '../store/entries/entries.js';
import { sweepStore } from '../store/gc/sweep.js';
import type { LayerId, StepRecord } from '../store/records.js';
import { asStoreError } from '../store/store.js';
import { abortable } from '../util/abort.js';
import { StepFailedError, WiacError } from '../util/errors.js';
import { isOwnTrouble } from './own-trouble.js';
import { requireUsers } from './require-users.js';
import type { StepLease } from './step-lease.js';
import { countStart, forgetStarts, takeStep } from './step-lease.js';
import type { StepReport } from './step-report.js';
import { MOST_LINE, openReport } from './step-report.js';
import type { StepSecrets } from './worker-secrets.js';
import { getSecrets } from './worker-secrets.js';
import type { ChainSession, WorkerMachine } from './worker-session.js';
import { openChainSession } from './worker-session.js';

/** What a chain needs of its worker. */
export interface ChainContext {
  readonly machine: WorkerMachine;
  readonly redis: Redis;
  /** As other machines know it. */
  readonly id: string;
  /** As people know it. */
  readonly name: string;
  /** Private key of its fleet. */
  readonly key: KeyObject | undefined;
  /** A lease is given back so long after the worker was last heard of. ms */
  readonly lostAfterMs: number;
  /** Aborted when the worker has to end. */
  readonly signal: AbortSignal;
  /** No further step is begun. */
  readonly isEnding: () => boolean;
  /** Told of the step that runs now; undefined: none. */
  readonly onStep: (step: WireStep | undefined) => void;
}

/** The chain goes back into the queue: this worker ends, or can't do it. */
export class GivenBackError extends Error {}

/** Where a chain is. */
interface Position {
  readonly state: StepState;
  /** The same layers as others know them. */
  readonly base: ChainJob['base'];
}

/** What an error is for the coordinator. Pure. */
export function toFailure(error: unknown, hideIn: StepSecrets['hideIn']): WireFailure {
  const short = (text: string) => hideIn(text).slice(0, MOST_LINE);
  const message = short((error as Error).message);
  if (!(error instanceof WiacError)) return { code: 'INTERNAL', message };
  const { code } = error;
  const hint = error.hint && short(error.hint);
  const shared = { code, message, ...(hint === undefined ? {} : { hint }) };
  if (!(error instanceof StepFailedError)) return shared;
  return { ...shared, exitCode: error.stepExitCode, lastLines: error.lastLines.map(short) };
}

/** A result of another worker, or of this one before. */
async function findDone(
  { redis, key: fleet }: ChainContext,
  step: WireStep,
  base: ChainJob['base'],
): Promise<StepOutcome | undefined> {
  if (step.skipsCache) return undefined;
  const [entry] = await redis.xrevrange(KEYS.step(step.key), '+', '-', 'COUNT', 1);
  const last = entry && lastStart([readEntry(entry)]).last;
  if (last?.type !== 'done' || !isMadeOn(last.outcome, { base, step })) return undefined;
  return isBelieved(step.key, last, fleet) ? last.outcome : undefined;
}

function after(
  { state, base }: Position,
  { key, step }: WireStep,
  layer: LayerId | undefined,
  wire: StepOutcome['layer'],
): Position {
  return {
    state: {
      layers: layer === undefined ? state.layers : [...state.layers, layer],
      key,
      maker: step.id,
    },
    base: wire === undefined ? base : [...base, wire],
  };
}

/** The key of what a step stands on; those of what it reads come behind it. Scratch has none. */
function ownParent({ inputs, reads }: WireStep) {
  return inputs.parents.length > reads.length ? inputs.parents[0] : undefined;
}

/** Puts a layer where others can have it. Two chains may come to the same one. */
function push(
  { blobs, pushing, metrics }: WorkerMachine,
  session: BuildSession,
  layer: LayerId,
): Promise<WireLayer> {
  const begin = async () => {
    const { layer: blob, open } = await openLayerBlob(session, layer);
    await blobs.put(blob.descriptor, () => {
      metrics.moved('out', blob.descriptor.size);
      return open();
    });
    return toWire(blob);
  };
  const begun = pushing.get(layer) ?? begin().finally(() => pushing.delete(layer));
  pushing.set(layer, begun);
  return begun;
}

/** The content key, also where this worker had no use for it: others look for it. */
async function fullContentKey(
  session: BuildSession,
  step: KeyedStep,
  { key, contentKey, operation, base, readLayers }: StepRecord,
): Promise<ContentKey | undefined> {
  if (step.kind !== 'run' || contentKey !== undefined) return contentKey;
  const found = await runContentKey(session, step, operation, base, readLayers);
  completeEntry(session.store, key, found);
  return found;
}

/** Runs one step, or finds it in this worker's store, and puts its layer where others can have it. */
async function resolveStep(
  context: ChainContext,
  session: ChainSession,
  wire: WireStep,
  position: Position,
  report: StepReport,
  secrets: StepSecrets,
  signal: AbortSignal,
): Promise<{ readonly outcome: StepOutcome; readonly layer: LayerId | undefined }> {
  const { store } = context.machine;
  let measures = { files: 0, bytes: 0, disk: 0 };
  let cached = false;
  const own = session.of({
    signal,
    secret: secrets.get,
    skipsCache: () => wire.skipsCache,
    emit: (event) => {
      if (event.type === 'output') report.line(secrets.hideIn(event.text));
      else if (event.type === 'finished')
        measures = { files: event.files, bytes: event.bytes, disk: event.bytes };
      else if (event.type === 'cached') cached = true;
    },
  });
  const run: Run = {
    session: own,
    inSlot: (_, task) => task(),
    publisher: openPublisher(
      (entries) => publishEntries(store, entries, own.scanStore.unwritten()),
      () => {},
    ),
    used: [],
    layers: new Set(position.state.layers),
    early: earlyLeases(store),
    cached: 0,
    executed: 0,
  };
  const readKeys = wire.inputs.parents.slice(-wire.reads.length);
  const reads = wire.reads.map((layers, at): StepState => {
    const key = readKeys[at];
    return { layers: layers.map(session.layer), key, maker: wire.step.reads[at] };
  });
  const { step, key, operation, inputs } = wire;
  const keyed: KeyedInputs = {
    step,
    key,
    operation,
    inputs,
    selections: [],
    parents: [step.parent, ...step.reads].filter((id): id is StepId => id !== undefined),
    parentLayers: [position.state, ...reads].map(({ layers }) => layers),
  };
  requireUsers(store.users, step);
  const state = await resolveOpen(run, keyed, position.state, reads);
  await run.publisher.flush();
  const record = findByDefinition(store, key);
  const layer =
    state.layers.length > position.state.layers.length ? state.layers.at(-1) : undefined;
  const [wireLayer, contentKey] = await Promise.all([
    layer === undefined ? undefined : push(context.machine, own, layer),
    record && fullContentKey(own, step, record),
  ]);
  const { reads: facts } = record ?? {};
  const outcome: StepOutcome = {
    ...groundOf(position.base, wire),
    files: record?.inputs.files ?? [],
    measures,
    ...(wireLayer === undefined ? {} : { layer: wireLayer }),
    ...(contentKey === undefined ? {} : { contentKey }),
    ...(facts === undefined ? {} : { reads: facts }),
    ...(cached ? { cached } : {}),
  };
  return { outcome, layer };
}

/** Says why a step did not come to its end, and lets go of it. @throws what is to become of its chain */
async function conclude(
  { machine, redis, name, signal }: ChainContext,
  wire: WireStep,
  base: ChainJob['base'],
  report: StepReport,
  lease: StepLease,
  hideIn: StepSecrets['hideIn'],
  cause: unknown,
): Promise<never> {
  const { key } = wire;
  const error = asStoreError(machine.store.paths.root, cause);
  if (lease.unwanted.aborted && !signal.aborted) {
    await report.say({ type: 'given back', worker: name });
    await forgetStarts(redis, key);
    throw error;
  }
  if (signal.aborted || isOwnTrouble(error)) {
    // What a signal has ended was not the step's doing.
    if (signal.aborted) await forgetStarts(redis, key);
    else report.line(hideIn(`${name}: ${(error as Error).message}`));
    await report.say({ type: 'given back', worker: name });
    throw new GivenBackError((error as Error).message, { cause: error });
  }
  const ground = groundOf(base, wire);
  await report.say({ type: 'failed', worker: name, ground, failure: toFailure(error, hideIn) });
  await forgetStarts(redis, key);
  throw error;
}

/** Says which layers are here now: chains that stand on them go where they are. */
async function noteHeld({ redis, id }: ChainContext, { base, layer }: StepOutcome): Promise<void> {
  const commands = redis.pipeline();
  for (const diffId of layer ? [...base, layer.diffId] : base)
    commands.sadd(KEYS.holders(diffId), id).expire(KEYS.holders(diffId), HOLDERS_KEPT_S);
  await commands.exec();
}

/** One step of a chain. @returns where the next one stands */
async function carryOutStep(
  context: ChainContext,
  session: ChainSession,
  wire: WireStep,
  position: Position,
  token: string,
): Promise<Position> {
  const { redis, name, lostAfterMs, signal, onStep } = context;
  let done: StepOutcome | undefined;
  const lease = await takeStep(redis, wire.key, token, lostAfterMs, signal, async () => {
    done = await findDone(context, wire, position.base);
    return done !== undefined;
  });
  if (!lease) {
    const { layer } = done ?? {};
    return after(position, wire, layer && session.layer(layer), layer);
  }
  const report = openReport(redis, wire.key);
  onStep(wire);
  const ended = context.machine.metrics.step();
  let end: Parameters<typeof ended>[0] = 'failed';
  try {
    if (!(await countStart(redis, wire.key))) {
      const message = `given up: ${MOST_STARTS} workers have begun it, and none has come to its end`;
      const hint = 'it may need more memory or disk than they have, or kill them';
      const ground = groundOf(position.base, wire);
      const failure = { code: 'QUEUE', message, hint };
      await report.say({ type: 'failed', worker: name, ground, failure });
      throw new Error(message);
    }
    await report.say({ type: 'started', worker: name });
    const ending = AbortSignal.any([signal, lease.unwanted]);
    // Nothing is known of them yet that could be told.
    let hideIn: StepSecrets['hideIn'] = (text) => text;
    const begin = async () => {
      const secrets = await getSecrets(redis, name, wire, context.key, report, ending);
      hideIn = secrets.hideIn;
      return resolveStep(context, session, wire, position, report, secrets, ending);
    };
    // The place of the layers may not answer.
    const made = await abortable(ending, begin).catch((error: unknown) =>
      conclude(context, wire, position.base, report, lease, hideIn, error),
    );
    const signed = signOutcome(wire.key, made.outcome, context.key);
    await report.say({ type: 'done', worker: name, ...signed });
    await forgetStarts(redis, wire.key);
    end = 'done';
    await noteHeld(context, made.outcome);
    return after(position, wire, made.layer, made.outcome.layer);
  } catch (error) {
    if (error instanceof GivenBackError || lease.unwanted.aborted) end = 'given back';
    throw error;
  } finally {
    ended(end);
    onStep(undefined);
    await lease.release();
  }
}

/** @throws GivenBackError when this machine's store can't be used; its chain counts as begun then */
async function openSession(
  { machine, redis, name }: ChainContext,
  { base, steps: [first] }: Pick<ChainJob, 'base' | 'steps'>,
): Promise<{ readonly session: ChainSession; readonly layers: readonly LayerId[] }> {
  let session: ChainSession | undefined;
  try {
    sweepStore(machine.store);
    session = await openChainSession(machine);
    return { session, layers: base.map(session.layer) };
  } catch (cause) {
    await session?.close().catch(() => {});
    const { message } = cause as Error;
    if (first) {
      const report = openReport(redis, first.key);
      report.line(`${name}: ${message}`);
      const type = (await countStart(redis, first.key)) ? 'given back' : 'failed';
      const failure = { code: 'QUEUE', message: `given up: ${message}` };
      await report.say(
        type === 'failed'
          ? { type, worker: name, ground: groundOf(base, first), failure }
          : { type, worker: name },
      );
      if (type === 'failed') throw cause;
    }
    throw new GivenBackError(message, { cause });
  }
}

/**
 * Carries a chain out. How each step ends is in its stream.
 * @param token of this attempt
 * @throws GivenBackError when another worker has to go on
 */
export async function carryOutChain(
  context: ChainContext,
  { base, steps }: ChainJob,
  token: string,
): Promise<void> {
  const { session, layers } = await openSession(context, { base, steps });
  try {
    const [first] = steps;
    const parent = first?.step.parent;
    let position: Position = {
      base,
      state: {
        layers,
        key: first && ownParent(first),
        maker: parent,
      },
    };
    for (const [at, wire] of steps.entries()) {
      if (at > 0 && context.isEnding()) throw new GivenBackError('the worker ends');
      position = await carryOutStep(context, session, wire, position, token);
    }
  } catch (error) {
    if (error instanceof GivenBackError) throw error;
    if (context.signal.aborted) throw new GivenBackError('the worker ends', { cause: error });
    // Its stream says what was wrong; nothing that stands on it can be carried out.
  } finally {
    await session.close();
  }
}
