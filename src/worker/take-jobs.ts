/**
 * Takes jobs from several queues of BullMQ, one of its own first, into the same slots. BullMQ's own loop has
 * slots for each queue.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job, Worker } from 'bullmq';
import { KEPT_S, KEYS, LEFT_OVER } from '../executor/queue/queue-protocol.js';
import type { RedisLink } from '../executor/queue/redis-link.js';
import { LAST_WORDS_MS } from '../executor/queue/redis-link.js';
import { within } from '../util/abort.js';

/** BullMQ puts a marker there when a job comes: one that was missed costs so long. Seconds. */
const LOOK_S = 1;
/** After trouble of its own a worker leaves all steps to others for so long; twice as long each time again. ms */
const RECOVER_MS = 2000;
const LONGEST_RECOVERY_MS = 60_000;
/** After an error. ms */
const PAUSE_MS = 200;

/** What becomes of a job that was taken. */
export type JobEnd =
  | { readonly kind: 'done' }
  | { readonly kind: 'refused'; readonly error: Error }
  /** It waits in its queue again. */
  | { readonly kind: 'given back' };

/** @param ttlMs others take a job over so long after its worker was last heard of */
export async function takeJobs(
  link: RedisLink,
  queues: readonly string[],
  slots: number,
  ttlMs: number,
  carryOut: (job: Job, token: string) => Promise<JobEnd>,
): Promise<{ readonly stop: () => Promise<void> }> {
  const bullmq = await import('bullmq');
  const waiting = link.another();
  const connection = link.another();
  const running = new Set<Promise<void>>();
  const stopping = new AbortController();
  /** How often in a row it had trouble of its own: what is about the machine meets all its slots. */
  let troubles = 0;
  let recovered: Promise<unknown> = Promise.resolve();
  let stopped = false;
  const sources = queues.map((name): Worker => {
    const worker: Worker = new bullmq.Worker(name, null, {
      connection,
      prefix: KEYS.queues,
      autorun: false,
      lockDuration: ttlMs,
      stalledInterval: Math.max(500, ttlMs / 2),
      // The step's own count of starts decides.
      maxStalledCount: 1000,
    });
    worker.on('error', () => {});
    return worker;
  });
  await Promise.all(
    sources.map(async (worker) => {
      await worker.waitUntilReady();
      await worker.startStalledCheckTimer();
    }),
  );

  /** BullMQ itself would keep it for ever, also of a queue that never had a job. */
  const limitLife = async (): Promise<void> => {
    const commands = link.redis.pipeline();
    for (const queue of queues)
      for (const name of LEFT_OVER) commands.expire(`${KEYS.queues}:${queue}:${name}`, KEPT_S);
    await commands.exec().catch(() => {});
  };
  await limitLife();
  const run = async (job: Job, token: string): Promise<void> => {
    const renewal = setInterval(() => void job.extendLock(token, ttlMs).catch(() => {}), ttlMs / 3);
    try {
      const end = await carryOut(job, token);
      if (end.kind === 'given back') {
        const pause = Math.min(RECOVER_MS * 2 ** troubles, LONGEST_RECOVERY_MS);
        troubles += 1;
        // Before the job waits again: another slot of this worker would take it at once.
        recovered = sleep(pause, undefined, { signal: stopping.signal }).catch(() => {});
        await job.moveToWait(token);
        return;
      }
      troubles = 0;
      if (end.kind === 'refused') await job.moveToFailed(end.error, token, false);
      else await job.moveToCompleted('', token, false);
    } catch {
      // Redis has lost it, or another worker has taken it over: its steps' streams are what counts.
    } finally {
      clearInterval(renewal);
      void limitLife();
    }
  };
  const takeOne = async (): Promise<boolean> => {
    for (const source of sources) {
      const token = randomUUID();
      const job = await source.getNextJob(token, { block: false });
      if (!job) continue;
      if (stopped) {
        await job.moveToWait(token);
        return false;
      }
      const begun: Promise<void> = run(job, token).finally(() => running.delete(begun));
      running.add(begun);
      return true;
    }
    return false;
  };
  const markers = queues.map((name) => `${KEYS.queues}:${name}:marker`);
  const loop = async (): Promise<void> => {
    while (!stopped) {
      await recovered;
      try {
        if (running.size >= slots) await Promise.race(running);
        else if (!(await takeOne()) && !stopped) await waiting.bzpopmin(...markers, LOOK_S);
      } catch {
        // Connections are made again by themselves.
        if (!stopped) await new Promise((resume) => setTimeout(resume, PAUSE_MS));
      }
    }
  };
  const looping = loop();
  return {
    async stop() {
      stopped = true;
      stopping.abort();
      waiting.disconnect();
      // Redis may be away, and answer nothing.
      await within(LAST_WORDS_MS, looping);
      await Promise.all(running);
      await Promise.all(sources.map((worker) => within(LAST_WORDS_MS, worker.close(true))));
      await within(LAST_WORDS_MS, limitLife());
    },
  };
}
