/** One worker is at a step, with Debian's redis-server. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { KEYS, NOBODY } from '../../src/executor/queue/queue-protocol.js';
import type { DefinitionKey } from '../../src/keys/digest.js';
import { countStart, forgetStarts, takeStep } from '../../src/worker/step-lease.js';
import { until } from '../support/fleet.js';
import type { RedisServer } from '../support/redis.js';
import { startRedis } from '../support/redis.js';

const KEY = 'a'.repeat(64) as DefinitionKey;
const { signal } = new AbortController();
const never = async () => false;

let server: RedisServer;
beforeEach(async () => {
  server = await startRedis();
});
afterEach(() => server.stop());

const take = (token: string, isDone = never, ttlMs = 300) =>
  takeStep(server.client, KEY, token, ttlMs, signal, isDone);

test('the second one waits until the first one lets go', async () => {
  const first = await take('one');
  let second = false;
  const waiting = take('two').then((lease) => {
    second = true;
    return lease;
  });
  // It is renewed: three times its time to live go by.
  await new Promise((resume) => setTimeout(resume, 900));
  expect(second).toBe(false);
  await first?.release();
  const lease = await waiting;
  expect(await server.client.get(KEYS.lease(KEY))).toBe('two');
  // What is not its own it does not give back.
  await first?.release();
  expect(await server.client.get(KEYS.lease(KEY))).toBe('two');
  await lease?.release();
  expect(await server.client.exists(KEYS.lease(KEY))).toBe(0);
});

test('who waits for a step that gets done does not do it', async () => {
  const first = await take('one');
  let done = false;
  const waiting = take('two', async () => done);
  done = true;
  expect(await waiting).toBeUndefined();
  await first?.release();
});

test('a worker that was never heard of again is no holder', async () => {
  await server.client.set(KEYS.lease(KEY), 'dead', 'PX', 200);
  const lease = await take('two');
  expect(lease).toBeDefined();
  await lease?.release();
});

test('a step is unwanted when builds say so, not when Redis has lost them', async () => {
  const lease = await take('one');
  await new Promise((resume) => setTimeout(resume, 1600));
  expect(lease?.unwanted.aborted).toBe(false);
  await server.client.sadd(KEYS.wanted(KEY), NOBODY, 'build');
  await server.client.srem(KEYS.wanted(KEY), 'build');
  await until(() => lease?.unwanted.aborted === true);
  await lease?.release();
});

test('the fourth start without an end is none, and the count begins anew', async () => {
  const start = () => countStart(server.client, KEY);
  expect([await start(), await start(), await start(), await start(), await start()]).toEqual([
    ...[true, true, true],
    ...[false, true],
  ]);
  await forgetStarts(server.client, KEY);
  expect(await server.client.exists(KEYS.starts(KEY))).toBe(0);
});
