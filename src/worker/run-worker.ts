/** `wiac worker`: takes chains of steps from a queue until it is told to end. */
import type { KeyObject } from 'node:crypto';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Job } from 'bullmq';
import type { Redis } from 'ioredis';
import { parseJob, parseVersion } from '../executor/queue/parse-queue.js';
import type { Announcement, WireStep } from '../executor/queue/queue-protocol.js';
import { KEYS, OWN_VERSION, ownQueueName } from '../executor/queue/queue-protocol.js';
import { checkJob, servedQueues, splitJob, takenLabels } from '../executor/queue/queue-trust.js';
import { dropQueue, LAST_WORDS_MS, openRedis } from '../executor/queue/redis-link.js';
import type { DefinitionKey } from '../keys/digest.js';
import { within } from '../util/abort.js';
import { QueueError } from '../util/errors.js';
import { carryOutChain, GivenBackError, toFailure } from './carry-out-chain.js';
import { isOwnTrouble } from './own-trouble.js';
import { openReport } from './step-report.js';
import type { JobEnd } from './take-jobs.js';
import { takeJobs } from './take-jobs.js';
import type { WorkerMachine } from './worker-session.js';

/** Characters of an instruction that are printed. */
const MOST_SHOWN = 1000;

/** What a worker is told. */
export interface WorkerOptions {
  /** Address of Redis. */
  readonly url: string;
  readonly name: string;
  /** `os/architecture[/variant]` */
  readonly platforms: readonly string[];
  readonly labels: readonly string[];
  /** Private key of its fleet: it may have secrets. */
  readonly key: KeyObject | undefined;
  /** Public keys of the only builds that it works for; none: it works for all that do not sign. */
  readonly trusted: readonly KeyObject[];
  /** Steps at the same time. */
  readonly slots: number;
  /** Others take its steps over when it was not heard of for so long. ms */
  readonly lostAfterMs: number;
  /** When it is told to end, its steps may go on for so long. ms */
  readonly graceMs: number;
  /** Aborted to end it. */
  readonly signal: AbortSignal;
  /** Told what it does, a line each. */
  readonly log: (line: string) => void;
  /** Called after each chain. */
  readonly afterChain: () => Promise<void>;
}

/** Tells who waits for a job that it will not be carried out. @param id the key of its first step, if it is a job */
async function tellRefusal(
  redis: Redis,
  worker: string,
  id: string | undefined,
  error: unknown,
): Promise<void> {
  if (!/^[0-9a-f]{64}$/.test(id ?? '')) return;
  const failure = toFailure(error, (text) => text);
  await openReport(redis, id as DefinitionKey).say({ type: 'failed', worker, failure });
}

/** Runs until the signal. @throws QueueError when the queue can't be reached */
export async function runWorker(machine: WorkerMachine, options: WorkerOptions): Promise<void> {
  const { url, name, platforms, key, trusted, slots, lostAfterMs, graceMs, signal, log } = options;
  const labels = takenLabels(options.labels, key, trusted);
  const signedOnly = trusted.length > 0;
  const link = await openRedis(url);
  const { redis } = link;
  const id = randomBytes(8).toString('hex');
  const running = new Map<string, WireStep>();
  let done = 0;
  let ending = false;
  const forced = new AbortController();

  const announce = async (): Promise<void> => {
    const said: Announcement = {
      ...OWN_VERSION,
      id,
      name,
      platforms,
      labels,
      ...(signedOnly ? { signedOnly } : {}),
      slots,
      running: [...running.values()].map(({ key }) => key),
      done,
    };
    await redis
      .multi()
      .set(KEYS.worker(id), JSON.stringify(said), 'PX', lostAfterMs)
      .sadd(KEYS.workers, id)
      .exec();
  };
  const announceSoon = (): void => {
    if (!ending) void announce().catch(() => {});
  };

  const carryOut = async (job: Job, token: string): Promise<JobEnd> => {
    const given = splitJob(typeof job.data === 'string' ? job.data : '');
    const { text } = given;
    const attempt = `${id}:${token}:${job.id}`;
    try {
      const { protocol, wiac } = parseVersion(text);
      if (protocol !== OWN_VERSION.protocol || wiac !== OWN_VERSION.wiac)
        throw new QueueError(
          `a job of wiac ${wiac} (protocol ${protocol}) is none for wiac ${OWN_VERSION.wiac} (protocol ${OWN_VERSION.protocol})`,
        );
      checkJob(given, trusted);
      const chain = parseJob(text);
      const context = {
        machine,
        redis,
        id,
        name,
        key,
        lostAfterMs,
        signal: forced.signal,
        isEnding: () => ending,
        onStep: (step: WireStep | undefined) => {
          if (step) {
            running.set(attempt, step);
            log(`runs ${step.step.text.slice(0, MOST_SHOWN)}`);
          } else if (running.delete(attempt)) done += 1;
          announceSoon();
        },
      };
      await carryOutChain(context, chain, attempt);
      await options.afterChain();
      return { kind: 'done' };
    } catch (error) {
      const { message } = error as Error;
      // Its session may fail as well when it is closed: on a broken disk, behind whatever the step came to.
      if (!(error instanceof GivenBackError || isOwnTrouble(error))) {
        log(`refuses a job: ${message}`);
        await tellRefusal(redis, name, job.id, error).catch(() => {});
        return { kind: 'refused', error: error as Error };
      }
      log(`gives its step back: ${message}`);
      return { kind: 'given back' };
    }
  };

  const queues = servedQueues({ id, platforms, labels, signedOnly });
  const jobs = await takeJobs(link, queues, slots, lostAfterMs, carryOut);
  await announce();
  // Redis may have been started again, without its data.
  redis.on('ready', announceSoon);
  const renewal = setInterval(announceSoon, lostAfterMs / 3);
  try {
    log(`${name} waits for steps of ${[...platforms, ...options.labels].join(', ')}`);
    if (!signal.aborted) await once(signal, 'abort');
    ending = true;
    clearInterval(renewal);
    const leaves = redis.multi().del(KEYS.worker(id)).srem(KEYS.workers, id).exec();
    const answers = await within(LAST_WORDS_MS, leaves);
    let rest: NodeJS.Timeout | undefined;
    const grace = setTimeout(() => {
      forced.abort(new GivenBackError('the worker ends'));
      // What Redis was not told by then it learns from the silence.
      rest = setTimeout(link.close, LAST_WORDS_MS);
    }, graceMs);
    await jobs.stop();
    clearTimeout(grace);
    clearTimeout(rest);
    if (answers) await within(LAST_WORDS_MS, dropQueue(link, ownQueueName(id)));
  } finally {
    clearInterval(renewal);
    link.close();
  }
}
