/** Puts chains into queues: of the worker that has what they stand on, else of whoever is free first. */

import type { KeyObject } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Queue } from 'bullmq';
import type { DefinitionKey } from '../../keys/digest.js';
import { QueueError } from '../../util/errors.js';
import { parseJob } from './parse-queue.js';
import type { Candidate } from './place.js';
import { placeChain } from './place.js';
import type { Announcement, ChainJob, WireStep } from './queue-protocol.js';
import {
  KEPT_S,
  KEYS,
  LEFT_OVER,
  MOST_EVENTS,
  NOBODY,
  OWN_VERSION,
  ownQueueName,
  queueName,
} from './queue-protocol.js';
import { servedQueues, signJob } from './queue-trust.js';
import type { RedisLink } from './redis-link.js';
import { dropQueue, openQueue } from './redis-link.js';
import type { WorkerList } from './worker-list.js';
import { fits, listWorkers, missingWorker } from './worker-list.js';

/** The list of workers is that old at most. ms */
const LIST_MS = 500;
/** Redis or the last worker may be away so long before the build fails. ms */
export const PATIENCE_MS = 60_000;
/** Workers say that they are there again so soon after Redis is back without its data. ms */
const RETURN_MS = 1500;

/** A step that somebody waits for, and what it stands on. */
export interface WantedStep {
  readonly base: ChainJob['base'];
  readonly step: WireStep;
  /** The steps behind it, which the worker goes on with. */
  readonly ahead: readonly WireStep[];
  readonly label: string | undefined;
}

/** Where a step was sent. */
interface SentJob {
  readonly queue: string;
  /** Id of the job: the key of its first step. */
  readonly id: DefinitionKey;
  /** The worker whose own queue that is. */
  readonly worker: string | undefined;
}

export interface ChainSender {
  /**
   * Sends a chain, unless a job that begins with the same step is there.
   * @returns the id in the step's stream to listen from
   */
  readonly send: (wanted: WantedStep) => Promise<string>;
  /** Where to listen from for a step that was sent ahead; asked once. */
  readonly takeAhead: (key: DefinitionKey) => string | undefined;
  /** Waits for a step from now on. */
  readonly want: (key: DefinitionKey) => Promise<void>;
  /** Does not wait for steps any more. */
  readonly unwant: (keys: readonly DefinitionKey[]) => Promise<void>;
  /** Is a worker at it? */
  readonly isRunning: (key: DefinitionKey) => Promise<boolean>;
  /** Is a job with it in a queue that somebody serves? */
  readonly waits: (key: DefinitionKey) => Promise<boolean>;
  /** @throws QueueError when there is no worker for it */
  readonly needWorker: (wanted: WantedStep) => Promise<void>;
  readonly close: () => Promise<void>;
}

/**
 * @param id of this coordinator
 * @param signKey jobs are signed with it
 */
export function openSender(
  link: RedisLink,
  id: string,
  signKey: KeyObject | undefined,
): ChainSender {
  const { redis } = link;
  const queues = new Map<string, Promise<Queue>>();
  const sent = new Map<DefinitionKey, SentJob>();
  const sentAhead = new Map<DefinitionKey, string>();
  /** Kinds of steps that a worker was there for. */
  const served = new Set<string>();
  let closed = false;
  let listed: { readonly at: number; readonly list: Promise<WorkerList> } | undefined;

  const queueOf = (name: string): Promise<Queue> => {
    const known = queues.get(name) ?? openQueue(link, name);
    queues.set(name, known);
    return known;
  };
  const jobKey = (job: SentJob) => `${KEYS.queues}:${job.queue}:${job.id}`;

  /** Removes what a worker has left behind; its name last, so that somebody does it in any case. */
  const forget = async (worker: string): Promise<void> => {
    await dropQueue(link, ownQueueName(worker));
    await redis.srem(KEYS.workers, worker);
  };

  const workersNow = (): Promise<WorkerList> => {
    if (listed && performance.now() - listed.at < LIST_MS) return listed.list;
    const list = listWorkers(redis);
    listed = { at: performance.now(), list };
    void list.then(({ gone }) => Promise.all(gone.map(forget))).catch(() => {});
    return list;
  };

  /** The worker that has what a chain stands on or reads; undefined: whoever has room first. */
  const choose = async (
    workers: readonly Announcement[],
    { base, step }: WantedStep,
  ): Promise<string | undefined> => {
    const able = new Map(
      workers
        .map(({ id, slots, running }): Candidate => ({ id, slots, busy: running.length }))
        .filter(({ slots, busy }) => busy < slots)
        .map((one) => [one.id, one]),
    );
    const layers = [...base, ...step.reads.flat()];
    if (able.size === 0 || layers.length === 0) return undefined;
    const commands = redis.pipeline();
    for (const { diffId } of layers) commands.smembers(KEYS.holders(diffId));
    const answers = (await commands.exec()) ?? [];
    const holders = new Map(
      layers.map(({ diffId }, at) => {
        const ids = (answers[at]?.[1] ?? []) as readonly string[];
        return [diffId, ids.flatMap((one) => able.get(one) ?? [])] as const;
      }),
    );
    const placed = layers.map(({ diffId, blob }) => ({ diffId, bytes: blob.size }));
    return placeChain(placed, { holders: (diffId) => holders.get(diffId) ?? [] })?.id;
  };

  /** Says that this coordinator waits for a step, and that it was asked for. @returns where to listen from */
  const ask = async (key: DefinitionKey): Promise<string> => {
    const message = JSON.stringify({ type: 'queued' });
    const [, , added] =
      (await redis
        .multi()
        .sadd(KEYS.wanted(key), NOBODY, id)
        .expire(KEYS.wanted(key), KEPT_S)
        .xadd(KEYS.step(key), 'MAXLEN', '~', MOST_EVENTS, '*', 'm', message)
        .expire(KEYS.step(key), KEPT_S)
        .exec()) ?? [];
    return String(added?.[1] ?? '0');
  };

  const needWorker = async ({ step, label }: WantedStep): Promise<void> => {
    const missing = missingWorker(await workersNow(), step.step.platform, label);
    if (missing) throw missing;
  };

  /** Waits for a worker that may come back: Redis may just have lost the list of them. */
  const awaitWorker = async (wanted: WantedStep): Promise<void> => {
    const kind = queueName(wanted.step.step.platform, wanted.label);
    const patience = served.has(kind) ? PATIENCE_MS : RETURN_MS;
    const begun = performance.now();
    for (;;) {
      try {
        await needWorker(wanted);
        served.add(kind);
        return;
      } catch (error) {
        const isOver = closed || performance.now() - begun > patience;
        if (!(error instanceof QueueError) || isOver) throw error;
        await sleep(LIST_MS);
      }
    }
  };

  /** The job of another build, or of this one before. */
  const findJob = async (key: DefinitionKey): Promise<SentJob | undefined> => {
    const queue = await redis.get(KEYS.sent(key));
    if (queue === null || !/^[\w.+-]{1,200}$/.test(queue)) return undefined;
    const job = { queue, id: key, worker: undefined };
    // Nobody may be there any more who has the labels of that build.
    const { own } = await workersNow();
    if (!own.some((worker) => servedQueues(worker).includes(queue))) return undefined;
    return (await redis.exists(jobKey(job))) > 0 ? job : undefined;
  };

  const addJob = async (wanted: WantedStep, data: string): Promise<SentJob> => {
    const { step, label } = wanted;
    const { platform } = step.step;
    const { own } = await workersNow();
    const fitting = own.filter((worker) => fits(worker, platform, label));
    // Who had it in its own queue and did not begin is not asked again.
    const before = sent.get(step.key)?.worker;
    const worker = before === undefined ? await choose(fitting, wanted) : undefined;
    const queue = worker === undefined ? queueName(platform, label) : ownQueueName(worker);
    await redis.set(KEYS.sent(step.key), queue, 'EX', KEPT_S);
    const open = await queueOf(queue);
    await open.add('chain', data, {
      jobId: step.key,
      removeOnComplete: true,
      removeOnFail: true,
    });
    return { queue, id: step.key, worker };
  };

  /**
   * Takes a job back that nobody will begin with: its worker is gone, or a Redis whose memory was full has removed the list
   * that it was in, so that only its data is there.
   */
  const takeBack = async (job: SentJob): Promise<boolean> => {
    const open = await queueOf(job.queue);
    const { own } = await workersNow();
    const isServed =
      job.worker === undefined || own.some(({ id: worker }) => worker === job.worker);
    const state = await open.getJobState(job.id);
    const isTaken = state !== 'unknown' && (job.worker === undefined || state !== 'waiting');
    if (isServed && isTaken) return false;
    // One that runs is locked, and stays.
    const removed = await open.remove(job.id).catch(() => 0);
    return removed > 0;
  };

  /** Takes jobs back that no worker has begun and no other build waits for. */
  const withdraw = async (): Promise<void> => {
    const jobs = [...new Map([...sent.values()].map((job) => [jobKey(job), job])).values()];
    if (jobs.length === 0) return;
    const there = redis.pipeline();
    for (const job of jobs) there.exists(jobKey(job)).smembers(KEYS.wanted(job.id));
    const answers = (await there.exec()) ?? [];
    const left = jobs.filter((_, at) => {
      const wanting = (answers[2 * at + 1]?.[1] ?? []) as readonly string[];
      const others = wanting.filter((one) => one !== NOBODY && one !== id);
      return answers[2 * at]?.[1] === 1 && others.length === 0;
    });
    // One that runs is locked, and stays.
    await Promise.allSettled(left.map(async (job) => (await queueOf(job.queue)).remove(job.id)));
    const lives = redis.pipeline();
    for (const queue of queues.keys())
      for (const name of LEFT_OVER) lives.expire(`${KEYS.queues}:${queue}:${name}`, KEPT_S);
    await lives.exec();
  };

  return {
    needWorker,
    async send(wanted) {
      const { base, step, ahead } = wanted;
      await awaitWorker(wanted);
      const steps = [step, ...ahead];
      const [from = '0', ...later] = await Promise.all(steps.map(({ key }) => ask(key)));
      const chain: ChainJob = { ...OWN_VERSION, base, steps };
      const text = JSON.stringify(chain);
      // What workers would refuse is told here.
      parseJob(text);
      const data = signJob(text, signKey);
      const other = await findJob(step.key);
      const job = other ?? (await addJob(wanted, data));
      sent.set(step.key, job);
      // Another build's job that begins with the same step goes on with steps of its own.
      const there = ahead.length === 0 ? null : await redis.hget(jobKey(job), 'data');
      const isOurs = there === null ? !other : there === JSON.stringify(data);
      for (const [at, { key }] of ahead.entries()) {
        const mark = later[at];
        if (!isOurs || mark === undefined) continue;
        sent.set(key, job);
        sentAhead.set(key, mark);
      }
      return from;
    },
    takeAhead(key) {
      const from = sentAhead.get(key);
      sentAhead.delete(key);
      return from;
    },
    async want(key) {
      const name = KEYS.wanted(key);
      await redis.multi().sadd(name, NOBODY, id).expire(name, KEPT_S).exec();
    },
    async unwant(keys) {
      if (keys.length === 0 || redis.status !== 'ready') return;
      const commands = redis.pipeline();
      for (const key of keys) commands.srem(KEYS.wanted(key), id);
      await commands.exec();
    },
    async isRunning(key) {
      return (await redis.exists(KEYS.lease(key))) > 0;
    },
    async waits(key) {
      const job = sent.get(key);
      if (!job || (await redis.exists(jobKey(job))) === 0) return false;
      return !(await takeBack(job));
    },
    async close() {
      closed = true;
      const commands = redis.pipeline();
      for (const key of sentAhead.keys()) commands.srem(KEYS.wanted(key), id);
      if (redis.status === 'ready') {
        await commands.exec();
        await withdraw();
      }
      for (const queue of queues.values()) await (await queue).close();
    },
  };
}
