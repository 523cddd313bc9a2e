/** What a worker says of a step that prints much, with a real redis-server. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { KEYS } from '../../src/executor/queue/queue-protocol.js';
import { readEntry } from '../../src/executor/queue/step-listener.js';
import type { DefinitionKey } from '../../src/keys/digest.js';
import { openReport } from '../../src/worker/step-report.js';
import type { RedisServer } from '../support/redis.js';
import { startRedis } from '../support/redis.js';

let redis: RedisServer;

beforeAll(async () => {
  redis = await startRedis();
});

afterAll(() => redis.stop());

/** JSON writes each of these in six letters. */
const LONG = '\u0001'.repeat(60_000);

async function outputOf(key: DefinitionKey) {
  const entries = (await redis.client.xrange(KEYS.step(key), '-', '+')).map(readEntry);
  return entries.flatMap(({ message }) => (message.type === 'output' ? [message] : []));
}

test('a program that prints much takes no more than its share of Redis, and all messages can be read', async () => {
  const key = 'a'.repeat(64) as DefinitionKey;
  const report = openReport(redis.client, key);
  for (let round = 0; round < 8; round += 1) {
    for (let line = 0; line < 50; line += 1) report.line(LONG);
    await report.say({ type: 'queued' });
  }
  expect(await redis.client.memory('USAGE', KEYS.step(key))).toBeLessThan(80 << 20);
  const output = await outputOf(key);
  const last = output.at(-1);
  expect((last?.before ?? 0) + (last?.lines.length ?? 0)).toBe(400);
  // What is gone is gone from the beginning, without holes.
  let next = output[0]?.before ?? 0;
  expect(next).toBeGreaterThan(0);
  for (const { before, lines } of output) {
    expect(before).toBe(next);
    next += lines.length;
  }
}, 20_000);

test('what is printed while Redis is away does not fill the memory', async () => {
  const key = 'b'.repeat(64) as DefinitionKey;
  const report = openReport(redis.client, key);
  redis.signal('SIGSTOP');
  for (let line = 0; line < 400; line += 1) report.line(LONG);
  redis.signal('SIGCONT');
  await report.say({ type: 'queued' });
  report.line('last');
  await report.say({ type: 'queued' });
  const output = await outputOf(key);
  expect(output.flatMap(({ lines }) => lines).length).toBeLessThan(150);
  expect(output.at(-1)).toEqual({ type: 'output', before: 400, lines: ['last'] });
}, 20_000);
