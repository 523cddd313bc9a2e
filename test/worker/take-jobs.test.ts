/** What a worker does with its slots after trouble of its own, with Debian's redis-server. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Queue } from 'bullmq';
import { KEYS } from '../../src/executor/queue/queue-protocol.js';
import { openRedis } from '../../src/executor/queue/redis-link.js';
import { takeJobs } from '../../src/worker/take-jobs.js';
import { until } from '../support/fleet.js';
import type { RedisServer } from '../support/redis.js';
import { startRedis } from '../support/redis.js';

const NAME = 'steps';

let server: RedisServer;
beforeEach(async () => {
  server = await startRedis();
});
afterEach(() => server.stop());

test('a job that was given back is not taken by another slot of the same worker', async () => {
  const link = await openRedis(server.url);
  const queue = new Queue(NAME, { connection: { port: server.port }, prefix: KEYS.queues });
  let taken = 0;
  const jobs = await takeJobs(link, [NAME], 3, 5000, async () => {
    taken += 1;
    return taken === 1 ? { kind: 'given back' } : { kind: 'done' };
  });
  await queue.add('step', '');
  await until(async () => taken > 0 && (await queue.getWaitingCount()) === 1);
  // Half of the pause: it is there to be taken, by another worker.
  await new Promise((resume) => setTimeout(resume, 1000));
  expect(taken).toBe(1);
  // It is tried again later: the trouble may be over.
  await until(async () => taken === 2);
  await jobs.stop();
  await queue.close();
  link.close();
});
