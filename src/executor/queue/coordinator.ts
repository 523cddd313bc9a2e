/**
 * The build's side of the queue: hands chains of steps to workers and follows what becomes of each step.
 *
 * Every step has a stream of its own in Redis, which is the truth: a coordinator that starts later, or again,
 * finds there what runs and what was done. Who finds neither a job nor a worker at a step puts it into the
 * queue anew; the definition key is the job's id, so it is there once.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Queue } from 'bullmq';
import type { DefinitionKey } from '../../keys/digest.js';
import { QueueError } from '../../util/errors.js';
import type {
  ChainJob,
  StepMessage,
  StepOutcome,
  WireFailure,
  WireStep,
} from './queue-protocol.js';
import { KEPT_S, KEYS, MOST_EVENTS, NOBODY, OWN_VERSION, queueName } from './queue-protocol.js';
import type { RedisLink } from './redis-link.js';
import { openRedis, shownAddress } from './redis-link.js';
import type { Heard, StepListener } from './step-listener.js';
import { openListener, readEntry } from './step-listener.js';
import { listWorkers, missingWorker } from './worker-list.js';

/** How often it is looked whether a step is still in somebody's hands. ms */
const WATCH_MS = 1000;
/** A step in nobody's hands is looked at so often before it is put into the queue again. */
const LOOKS = 2;
/** Redis or the last worker may be away so long before the build fails. ms */
const PATIENCE_MS = 60_000;

/** A step that somebody waits for, and what it stands on. */
export interface WantedStep {
  readonly base: ChainJob['base'];
  readonly step: WireStep;
  /** The steps behind it, which the worker goes on with. */
  readonly ahead: readonly WireStep[];
  readonly label: string | undefined;
}

/** Who is told what a step does. */
export interface StepEar {
  readonly output: (line: string) => void;
  readonly onPlace: (worker: string) => void;
  readonly signal: AbortSignal;
  /** Is the blob of a layer that a stream tells of still there? */
  readonly hasBlob: (digest: string) => Promise<boolean>;
}

/** How a step failed on a worker. */
export class WorkerFailure extends Error {
  readonly worker: string;
  readonly failure: WireFailure;

  constructor(worker: string, failure: WireFailure) {
    super(failure.message);
    this.worker = worker;
    this.failure = failure;
  }
}

/** A queue that is open. */
export interface Coordinator {
  /**
   * Has a step carried out, or hears of it if it was or is.
   * @throws WorkerFailure when it failed there; QueueError; the signal's reason
   */
  readonly carryOut: (wanted: WantedStep, ear: StepEar) => Promise<StepOutcome>;
  /** Tells workers that nobody waits for what was sent ahead. */
  readonly close: () => Promise<void>;
}

/** The stream from its last start on: where to begin to listen. Pure. */
export function lastStart(entries: readonly Heard[]): {
  readonly from: string;
  readonly last: StepMessage | undefined;
  readonly started: boolean;
} {
  const at = entries.findLastIndex(({ message }) => message.type === 'started');
  return {
    from: entries[at - 1]?.id ?? '0',
    last: entries.at(-1)?.message,
    started: at !== -1,
  };
}

/** Was it made on these layers? Pure. */
export function isMadeOn(outcome: StepOutcome, base: ChainJob['base']): boolean {
  return outcome.base.join() === base.map(({ diffId }) => diffId).join();
}

function isEnd({ type }: StepMessage): boolean {
  return type === 'done' || type === 'failed' || type === 'given back';
}

/** @throws QueueError when the queue can't be reached */
export async function openCoordinator(url: string): Promise<Coordinator> {
  const link = await openRedis(url);
  try {
    return await coordinate(link, shownAddress(url));
  } catch (error) {
    link.close();
    throw error;
  }
}

async function coordinate(link: RedisLink, address: string): Promise<Coordinator> {
  const { redis } = link;
  const bullmq = await import('bullmq');
  const id = randomUUID();
  const listener: StepListener = openListener(id, redis, link.another());
  const queues = new Map<string, Queue>();
  /** The jobs that steps were sent in, by the steps' keys: `queue` and id of the job. */
  const jobs = new Map<DefinitionKey, string>();
  /** Steps that were asked for. */
  const begun = new Set<DefinitionKey>();
  /** Streams' ids from which on a step that was sent ahead is listened to. */
  const sentAhead = new Map<DefinitionKey, string>();

  const queueOf = (name: string) => {
    const known = queues.get(name);
    if (known) return known;
    const { options } = link;
    const queue: Queue = new bullmq.Queue(name, {
      connection: options,
      prefix: KEYS.queues,
      skipMetasUpdate: true,
    });
    queue.on('error', () => {});
    queues.set(name, queue);
    return queue;
  };

  /** Says that this coordinator waits for a step, and that it was asked for. @returns where to listen from */
  const want = async (key: DefinitionKey): Promise<string> => {
    const [, , added] =
      (await redis
        .multi()
        .sadd(KEYS.wanted(key), NOBODY, id)
        .expire(KEYS.wanted(key), KEPT_S)
        .xadd(
          KEYS.step(key),
          'MAXLEN',
          '~',
          MOST_EVENTS,
          '*',
          'm',
          JSON.stringify({ type: 'queued' }),
        )
        .expire(KEYS.step(key), KEPT_S)
        .exec()) ?? [];
    return String(added?.[1] ?? '0');
  };

  const send = async ({ base, step, ahead, label }: WantedStep): Promise<string> => {
    const { platform } = step.step;
    const workers = await listWorkers(redis);
    const missing = missingWorker(workers, platform, label);
    if (missing) throw missing;
    const steps = [step, ...ahead];
    const [from = '0', ...later] = await Promise.all(steps.map(({ key }) => want(key)));
    const name = queueName(platform, label);
    const job: ChainJob = { ...OWN_VERSION, base, steps };
    const data = JSON.stringify(job);
    await queueOf(name).add('chain', data, {
      jobId: step.key,
      removeOnComplete: true,
      removeOnFail: true,
    });
    const jobKey = `${KEYS.queues}:${name}:${step.key}`;
    jobs.set(step.key, jobKey);
    // Another build's job that begins with the same step goes on with steps of its own.
    const there = ahead.length === 0 ? null : await redis.hget(jobKey, 'data');
    const isOurs = there === null || there === JSON.stringify(data);
    for (const [at, { key }] of ahead.entries()) {
      const mark = later[at];
      if (!isOurs || mark === undefined) continue;
      jobs.set(key, jobKey);
      sentAhead.set(key, mark);
    }
    return from;
  };

  /** Is a job with it in a queue, or a worker at it? */
  const isInHands = async (key: DefinitionKey): Promise<boolean> => {
    const job = jobs.get(key);
    const keys = [KEYS.lease(key), ...(job === undefined ? [] : [job])];
    return (await redis.exists(...keys)) > 0;
  };

  /** Joins what runs, takes what was done, or sends it. @returns where to listen from */
  const begin = async (wanted: WantedStep, ear: StepEar): Promise<string> => {
    const { step, base } = wanted;
    const { key } = step;
    const ahead = sentAhead.get(key);
    if (ahead !== undefined) {
      sentAhead.delete(key);
      begun.add(key);
      return ahead;
    }
    if (begun.has(key)) {
      // What was found the first time was of no use: its layer is gone, or was never what it should be.
      await redis.del(KEYS.step(key));
      return send(wanted);
    }
    begun.add(key);
    const entries = await redis.xrange(KEYS.step(key), '-', '+');
    const { from, last, started } = lastStart(entries.map(readEntry));
    if (last?.type === 'done' && !step.skipsCache && isMadeOn(last.outcome, base)) {
      const { layer } = last.outcome;
      if (!layer || (await ear.hasBlob(layer.blob.digest))) return from;
    }
    const runs = started && last !== undefined && !isEnd(last) && (await isInHands(key));
    if (!runs) return send(wanted);
    await redis.multi().sadd(KEYS.wanted(key), NOBODY, id).expire(KEYS.wanted(key), KEPT_S).exec();
    return from;
  };

  /** Sends a step again that is in nobody's hands any more: a worker died, or Redis has lost it. */
  const watch = async (wanted: WantedStep, signal: AbortSignal): Promise<never> => {
    const { key, step } = wanted.step;
    let looks = 0;
    let lastSeen = performance.now();
    for (;;) {
      await sleep(WATCH_MS, undefined, { signal });
      try {
        if (redis.status !== 'ready') throw new QueueError(`the queue ${address} is gone`);
        const missing = missingWorker(await listWorkers(redis), step.platform, wanted.label);
        if (missing) throw missing;
        lastSeen = performance.now();
        looks = (await isInHands(key)) ? 0 : looks + 1;
        if (looks >= LOOKS) {
          looks = 0;
          await send(wanted);
        }
      } catch (error) {
        signal.throwIfAborted();
        if (performance.now() - lastSeen > PATIENCE_MS) throw error;
      }
    }
  };

  /** Hears a step until it ends. */
  const follow = (wanted: WantedStep, from: string, ear: StepEar, signal: AbortSignal) =>
    new Promise<StepOutcome>((resume, refuse) => {
      const stop = listener.listen(
        wanted.step.key,
        from,
        ({ message }) => {
          if (message.type === 'started') ear.onPlace(message.worker);
          else if (message.type === 'output') message.lines.forEach(ear.output);
          else if (message.type === 'failed') {
            stop();
            refuse(new WorkerFailure(message.worker, message.failure));
          } else if (message.type === 'done' && isMadeOn(message.outcome, wanted.base)) {
            stop();
            resume(message.outcome);
          }
        },
        (error) => {
          stop();
          refuse(error);
        },
      );
      signal.addEventListener('abort', stop, { once: true });
    });

  const unwant = async (keys: Iterable<DefinitionKey>): Promise<void> => {
    const all = [...keys];
    if (all.length === 0 || redis.status !== 'ready') return;
    const commands = redis.pipeline();
    for (const key of all) commands.srem(KEYS.wanted(key), id);
    await commands.exec();
  };

  return {
    async carryOut(wanted, ear) {
      const { key } = wanted.step;
      const over = new AbortController();
      const signal = AbortSignal.any([ear.signal, over.signal]);
      const aborted = new Promise<never>((_resume, refuse) => {
        const stop = () => refuse(ear.signal.reason);
        if (ear.signal.aborted) stop();
        ear.signal.addEventListener('abort', stop, { once: true });
      });
      aborted.catch(() => {});
      try {
        const from = await Promise.race([begin(wanted, ear), aborted]);
        const watching = watch(wanted, signal);
        watching.catch(() => {});
        return await Promise.race([follow(wanted, from, ear, signal), watching, aborted]);
      } finally {
        over.abort();
        await unwant([key]).catch(() => {});
      }
    },
    async close() {
      await unwant(sentAhead.keys()).catch(() => {});
      listener.close();
      await Promise.allSettled([...queues.values()].map((queue) => queue.close()));
      link.close();
    },
  };
}
