/** Builds whose steps are run by workers: a real redis-server, a real registry, workers with stores of their own. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { RedisServer, WorkerProcess } from '../support/redis.js';
import { startRedis, startWorker } from '../support/redis.js';
import type { Registry } from '../support/registry.js';
import { startRegistry } from '../support/registry.js';
import { describeLayers } from '../support/tree.js';
import type { BuildEvent, Machine } from '../support/wiac.js';
import { context, dockerfile, machine } from '../support/wiac.js';

let redis: RedisServer;
let registry: Registry;
let cache: string;
let workers: WorkerProcess[];

beforeEach(async () => {
  [redis, registry] = await Promise.all([startRedis(), startRegistry()]);
  cache = `${registry.host}/cache`;
  workers = [];
});

afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.kill('SIGTERM')));
  await Promise.all([redis.stop(), registry.stop()]);
});

async function work(name: string, ...flags: string[]): Promise<WorkerProcess> {
  const worker = await startWorker(name, redis.url, cache, flags);
  workers.push(worker);
  return worker;
}

/** A build through the queue, on a machine of its own. */
function queued(path: string, on: Machine = machine(), ...flags: string[]) {
  return on.build(path, '--queue', redis.url, '--cache', cache, ...flags);
}

function of(events: readonly BuildEvent[], type: string): BuildEvent[] {
  return events.filter((event) => event.type === type);
}

test('a RUN step is run by a worker, and makes what it makes here', async () => {
  await work('anna');
  const project = context({ Dockerfile: dockerfile('RUN echo one > /made; echo said') });
  const there = await queued(project);
  const here = await machine().build(project);
  expect(of(there.events, 'placed')).toMatchObject([{ worker: 'anna' }]);
  expect(of(there.events, 'output').map(({ text }) => text)).toEqual(['said']);
  expect(await describeLayers(there.lowerdirs)).toEqual(await describeLayers(here.lowerdirs));
}, 30_000);
