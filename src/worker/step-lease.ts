/**
 * Who is at a step: one worker in the whole fleet. Redis counts the time, and gives the lease back when a
 * worker is gone.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { KEPT_S, KEYS, MOST_STARTS, NOBODY } from '../executor/queue/queue-protocol.js';
import type { DefinitionKey } from '../keys/digest.js';

/** How often it is looked whether another worker has given a lease back. ms */
const LOOK_MS = 100;
/** How often it is asked whether anybody still waits for the step. ms */
const WANTED_MS = 500;

/** Deletes a key only if it is ours still. */
const RELEASE =
  "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end";
/** Makes it last longer, or takes it again when Redis has lost it. */
const RENEW =
  "local is = redis.call('get', KEYS[1]); if is == ARGV[1] or not is then redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[2]); redis.call('expire', KEYS[2], ARGV[3]); redis.call('expire', KEYS[3], ARGV[3]) end";

/** A step that this worker is at. */
export interface StepLease {
  /** Aborted when nobody waits for the step any more. */
  readonly unwanted: AbortSignal;
  readonly release: () => Promise<void>;
}

/**
 * Takes a step.
 * @param token names the worker and this attempt
 * @param ttlMs it is given back so long after the worker was last heard of
 * @param isDone asked while another worker has it: the wait ends when it says so
 * @returns undefined when it is done
 * @throws the signal's reason
 */
export async function takeStep(
  redis: Redis,
  key: DefinitionKey,
  token: string,
  ttlMs: number,
  signal: AbortSignal,
  isDone: () => Promise<boolean>,
): Promise<StepLease | undefined> {
  const lease = KEYS.lease(key);
  for (;;) {
    signal.throwIfAborted();
    if (await isDone()) return undefined;
    if ((await redis.set(lease, token, 'PX', ttlMs, 'NX')) === 'OK') break;
    await sleep(LOOK_MS);
  }
  const renew = setInterval(() => {
    redis
      .eval(RENEW, 3, lease, KEYS.step(key), KEYS.wanted(key), token, ttlMs, KEPT_S)
      .catch(() => {});
  }, ttlMs / 3).unref();
  const unwanted = new AbortController();
  let looks = 0;
  const look = setInterval(async () => {
    const waiting = await redis.smembers(KEYS.wanted(key)).catch(() => []);
    // Redis may have lost all of it; and once may be between two coordinators.
    looks = waiting.length === 1 && waiting[0] === NOBODY ? looks + 1 : 0;
    if (looks > 1) unwanted.abort(new Error('nobody waits for it'));
  }, WANTED_MS).unref();
  return {
    unwanted: unwanted.signal,
    release: async () => {
      clearInterval(renew);
      clearInterval(look);
      await redis.eval(RELEASE, 1, lease, token);
    },
  };
}

/**
 * Counts a step's start.
 * @returns false when it was begun too often without ever ending: it is given up then, and counted anew
 */
export async function countStart(redis: Redis, key: DefinitionKey): Promise<boolean> {
  const name = KEYS.starts(key);
  const starts = await redis.incr(name);
  await redis.expire(name, KEPT_S);
  if (starts <= MOST_STARTS) return true;
  await redis.del(name);
  return false;
}

/** The step has ended in an orderly way. */
export async function forgetStarts(redis: Redis, key: DefinitionKey): Promise<void> {
  await redis.del(KEYS.starts(key));
}
