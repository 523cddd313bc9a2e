/**
 * The build's side of the queue: hands chains of steps to workers and follows what becomes of each step.
 *
 * Every step has a stream of its own in Redis, which is the truth: a coordinator that starts later, or again,
 * finds there what runs and what was done. Who finds neither a job nor a worker at a step puts it into the
 * queue anew; the definition key is the job's id, so it is there once.
 */
import type { KeyObject } from 'node:crypto';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { DefinitionKey } from '../../keys/digest.js';
import { answered, within } from '../../util/abort.js';
import { QueueError } from '../../util/errors.js';
import { plural } from '../../util/plural.js';
import type {
  ChainJob,
  Ground,
  StepMessage,
  StepOutcome,
  WireFailure,
  WireStep,
} from './queue-protocol.js';
import { KEYS, SECRET_S } from './queue-protocol.js';
import { isBelieved } from './queue-trust.js';
import type { RedisLink } from './redis-link.js';
import { LAST_WORDS_MS, openRedis, shownAddress } from './redis-link.js';
import type { SecretRequest } from './sealed-secrets.js';
import { answerName } from './sealed-secrets.js';
import type { WantedStep } from './send-chain.js';
import { openSender, PATIENCE_MS } from './send-chain.js';
import type { Heard, StepListener } from './step-listener.js';
import { openListener, readEntry } from './step-listener.js';

/** How often it is looked whether a step is still in somebody's hands. ms */
const WATCH_MS = 1000;
/** A step in nobody's hands is looked at so often before it is put into the queue again. */
const LOOKS = 2;
/** One that workers refuse is put there again so often. */
const MOST_SENDS = 10;
/** A step is asked for so often in one build: its layer may get lost. */
const MOST_TIMES = 3;
/** A question that Redis has not answered for so long is asked again. ms */
const ANSWER_MS = 10_000;

/** Who is told what a step does. */
export interface StepEar {
  readonly output: (line: string) => void;
  readonly onPlace: (worker: string) => void;
  readonly signal: AbortSignal;
  /** Seals the step's secrets for a worker that asks. @throws QueueError for one that is not trusted */
  readonly seal: (request: SecretRequest) => Promise<string>;
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

/** How a build comes to a step. */
interface Beginning {
  /** Where to listen from. */
  readonly from: string;
  /** It came to its end before. */
  readonly isDone: boolean;
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
    // Of one that printed much, the beginning is gone.
    started: at !== -1 || entries.some(({ message }) => message.type === 'output'),
  };
}

/** What a step is to be made on. Pure. */
export function groundOf(base: ChainJob['base'], { reads }: Pick<WireStep, 'reads'>): Ground {
  const ids = (layers: ChainJob['base']) => layers.map(({ diffId }) => diffId);
  return { base: ids(base), beside: reads.map(ids) };
}

/** Was it made on these layers, with these beside it? Pure. */
export function isMadeOn(
  { base, beside }: Ground,
  { base: ownBase, step }: Pick<WantedStep, 'base' | 'step'>,
): boolean {
  return isDeepStrictEqual({ base, beside }, groundOf(ownBase, step));
}

/** Is it what a build wants? One that skips the cache takes nothing out of a worker's store either. Pure. */
export function isAnswer(outcome: StepOutcome, wanted: Pick<WantedStep, 'base' | 'step'>): boolean {
  return isMadeOn(outcome, wanted) && !(wanted.step.skipsCache && outcome.cached === true);
}

/** A job that was refused was so whatever it stood on. */
function isFailureOf(ground: Ground | undefined, wanted: WantedStep): boolean {
  return ground === undefined || isMadeOn(ground, wanted);
}

/** So many lines of the worker that is at a step were heard, or can't be heard any more. */
interface Count {
  lines: number;
}

function isEnd({ type }: StepMessage): boolean {
  return type === 'done' || type === 'failed' || type === 'given back';
}

/** The keys of a build. */
export interface BuildKeys {
  /** Public key of the only workers whose results count; undefined: anybody's do. */
  readonly workerKey: KeyObject | undefined;
  /** Private key that its jobs are signed with. */
  readonly signKey: KeyObject | undefined;
}

/** @throws QueueError when the queue can't be reached */
export async function openCoordinator(url: string, keys: BuildKeys): Promise<Coordinator> {
  const link = await openRedis(url);
  try {
    return coordinate(link, shownAddress(url), keys);
  } catch (error) {
    link.close();
    throw error;
  }
}

function coordinate(
  link: RedisLink,
  address: string,
  { workerKey, signKey }: BuildKeys,
): Coordinator {
  const { redis } = link;
  const id = randomUUID();
  const listener: StepListener = openListener(id, redis, link.another());
  const sender = openSender(link, id, signKey);
  /** How often steps were asked for. */
  const begun = new Map<DefinitionKey, number>();

  const isInHands = async (key: DefinitionKey): Promise<boolean> =>
    (await sender.isRunning(key)) || sender.waits(key);

  const gone = () => new QueueError(`the queue ${address} is gone`);

  /** Of Redis alone: the place of a blob has its own patience, and its own words. */
  const inTime = <T>(answer: Promise<T>): Promise<T> =>
    answered(PATIENCE_MS + ANSWER_MS, answer, gone);

  /** Joins what runs, takes what was done, or sends it. */
  const begin = async (wanted: WantedStep, ear: StepEar): Promise<Beginning> => {
    const { step } = wanted;
    const { key } = step;
    const times = begun.get(key) ?? 0;
    begun.set(key, times + 1);
    const ahead = sender.takeAhead(key);
    if (ahead !== undefined) return { from: ahead, isDone: false };
    if (times >= MOST_TIMES)
      throw new QueueError('the layer of a step is lost again and again', {
        hint: 'does the cache keep what is pushed, and do workers use the same one (--cache)?',
      });
    if (times > 0) {
      // What was found the first time was of no use: its layer is gone, or was never what it should be.
      await inTime(redis.del(KEYS.step(key)));
      return { from: await inTime(sender.send(wanted)), isDone: false };
    }
    const entries = await inTime(redis.xrange(KEYS.step(key), '-', '+'));
    const { from, last, started } = lastStart(entries.map(readEntry));
    if (
      last?.type === 'done' &&
      !step.skipsCache &&
      isMadeOn(last.outcome, wanted) &&
      isBelieved(key, last, workerKey)
    ) {
      const { layer } = last.outcome;
      if (!layer || (await ear.hasBlob(layer.blob.digest))) return { from, isDone: true };
    }
    const runs = started && last !== undefined && !isEnd(last) && (await inTime(isInHands(key)));
    if (!runs) return { from: await inTime(sender.send(wanted)), isDone: false };
    await inTime(sender.want(key));
    return { from, isDone: false };
  };

  /** Sends a step again that is in nobody's hands any more: a worker died, or Redis has lost it. */
  const watch = async (wanted: WantedStep, signal: AbortSignal): Promise<never> => {
    const { key } = wanted.step;
    let looks = 0;
    let sends = 0;
    let lastSeen = performance.now();
    const look = async (): Promise<void> => {
      // Also one that takes no more steps comes to the end of those that it has.
      if (!(await sender.isRunning(key))) {
        await sender.needWorker(wanted);
        looks = (await sender.waits(key)) ? 0 : looks + 1;
      } else looks = 0;
      lastSeen = performance.now();
      if (looks < LOOKS) return;
      looks = 0;
      sends += 1;
      if (sends > MOST_SENDS)
        throw new QueueError('no worker begins with a step', {
          hint: 'their output says why',
        });
      await sender.send(wanted);
    };
    for (;;) {
      await sleep(WATCH_MS, undefined, { signal });
      try {
        if (redis.status !== 'ready') throw gone();
        await answered(ANSWER_MS, look(), gone);
      } catch (error) {
        signal.throwIfAborted();
        if (sends > MOST_SENDS) throw error;
        if (performance.now() - lastSeen > PATIENCE_MS) throw error;
      }
    }
  };

  const answer = async (key: DefinitionKey, request: SecretRequest, ear: StepEar) => {
    const sealed = await ear.seal(request);
    await redis.set(KEYS.secret(answerName(key, request)), sealed, 'EX', SECRET_S);
  };

  /** The outcome in a message about a step; undefined when it goes on. @throws WorkerFailure */
  const hear = (wanted: WantedStep, message: StepMessage, ear: StepEar, count: Count) => {
    if (message.type === 'started') {
      count.lines = 0;
      ear.onPlace(message.worker);
    } else if (message.type === 'output') {
      const missing = message.before - count.lines;
      if (missing > 0) ear.output(`(${plural(missing, 'line')} missing: it prints too fast)`);
      count.lines = message.before + message.lines.length;
      message.lines.forEach(ear.output);
    } else if (message.type === 'failed') {
      if (isFailureOf(message.ground, wanted))
        throw new WorkerFailure(message.worker, message.failure);
    } else if (message.type === 'done') {
      const isOurs = isAnswer(message.outcome, wanted);
      if (isOurs && isBelieved(wanted.step.key, message, workerKey)) return message.outcome;
    }
    return undefined;
  };

  /** Hears a step until it ends. */
  const follow = (wanted: WantedStep, from: string, ear: StepEar, signal: AbortSignal) =>
    new Promise<StepOutcome>((resume, refuse) => {
      const count: Count = { lines: 0 };
      const { key } = wanted.step;
      const fail = (error: unknown) => {
        stop();
        refuse(error);
      };
      const onMessage = (message: StepMessage) => {
        if (message.type === 'asks') return void answer(key, message.request, ear).catch(fail);
        const outcome = hear(wanted, message, ear, count);
        if (outcome === undefined) return;
        stop();
        resume(outcome);
      };
      const stop = listener.listen(
        key,
        from,
        ({ message }) => {
          try {
            onMessage(message);
          } catch (error) {
            fail(error);
          }
        },
        fail,
      );
      signal.addEventListener('abort', stop, { once: true });
    });

  return {
    async carryOut(wanted, ear) {
      const { key } = wanted.step;
      const over = new AbortController();
      // Of this step alone: the build's own signal would keep a listener of each step.
      const signal = AbortSignal.any([ear.signal, over.signal]);
      const aborted = new Promise<never>((_resume, refuse) => {
        const stop = () => refuse(signal.reason);
        if (signal.aborted) stop();
        else signal.addEventListener('abort', stop, { once: true });
      });
      aborted.catch(() => {});
      const asked = begin(wanted, ear);
      try {
        const { from, isDone } = await Promise.race([asked, aborted]);
        const watching = watch(wanted, signal);
        watching.catch(() => {});
        const outcome = await Promise.race([follow(wanted, from, ear, signal), watching, aborted]);
        return isDone ? { ...outcome, cached: true } : outcome;
      } finally {
        over.abort();
        // What is being sent would say afterwards that somebody wants it.
        const left = asked.catch(() => {}).then(() => sender.unwant([key]));
        await within(LAST_WORDS_MS, left);
      }
    },
    async close() {
      listener.close();
      await within(LAST_WORDS_MS, sender.close());
      link.close();
    },
  };
}
