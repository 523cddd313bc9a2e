/**
 * Random Dockerfiles and random edits of them and of their context (see sequence.ts), here and through a
 * queue. WIAC_MODEL_RUNS is the number of sequences, which are others each time then.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { openBuildQueue } from '../../src/engine/build-queue.js';
import { startFleet } from '../support/fleet.js';
import { buildHere } from '../support/in-process.js';
import type { Builder } from './sequence.js';
import { runSequence } from './sequence.js';
import { editing, program } from './world.js';

const RUNS = process.env.WIAC_MODEL_RUNS;

/** CI looks at the same sequences each time: what it says must be about the change. */
async function runAll(
  build: Builder,
  numRuns: number,
  around: (sequence: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const property = fc.asyncProperty(
    program,
    fc.array(editing, { minLength: 1, maxLength: 4 }),
    (written, edits) => around(() => runSequence(build, written, edits)),
  );
  const chosen = RUNS === undefined ? { numRuns, seed: 5 } : { numRuns: Number(RUNS) };
  await fc.assert(property, { ...chosen, interruptAfterTimeLimit: 3_600_000 });
}

test('cached builds give what the model says, and run what it says', async () => {
  await runAll(buildHere, 20, (sequence) => sequence());
}, 3_600_000);

test('and so they do when a worker of a queue runs the steps', async () => {
  const fleet = await startFleet();
  try {
    let placed = 0;
    /** A worker that knows nothing yet, nor does Redis. */
    const ownWorker = async (sequence: () => Promise<void>) => {
      await fleet.redis.client.flushall();
      const worker = await fleet.work('anna', '-j', '2');
      await sequence().finally(() => worker.kill('SIGTERM'));
    };
    const build: Builder = async (store, path) => {
      const queue = await openBuildQueue({
        url: fleet.redis.url,
        cache: fleet.cache,
        registry: {},
        environment: process.env,
        jobs: undefined,
        workerKey: undefined,
        signKey: undefined,
        labels: [],
        here: { isolation: 'namespaces', runtime: undefined, limits: {}, network: 'host' },
      });
      try {
        const built = await buildHere(store, path, { queue });
        placed += built.placed;
        return built;
      } finally {
        await queue.close();
      }
    };
    await runAll(build, 4, ownWorker);
    expect(placed).toBeGreaterThan(8);
  } finally {
    await fleet.stop();
  }
}, 3_600_000);
