/**
 * Builds of Dockerfiles that share steps, through a queue whose workers, coordinators and Redis are killed
 * about every second. WIAC_TORTURE_MINUTES is for how long (a fifth of a minute by default),
 * WIAC_TORTURE_PROCESSES how many builds at once, WIAC_TORTURE_SEED repeats a choice.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import type { Redis } from 'ioredis';
import type { Coordinator, Fleet } from '../support/fleet.js';
import { startBuild, startFleet, until } from '../support/fleet.js';
import { buildHere } from '../support/in-process.js';
import { generator } from '../support/random.js';
import type { WorkerProcess } from '../support/redis.js';
import { startWorker } from '../support/redis.js';
import { describeLayers } from '../support/tree.js';
import {
  context,
  dockerfile,
  machine,
  mountsBelow,
  processesWith,
  tempDir,
} from '../support/wiac.js';

const MINUTES = Number(process.env.WIAC_TORTURE_MINUTES ?? 0.2);
const BUILDS = Number(process.env.WIAC_TORTURE_PROCESSES ?? 3);
const SEED = Number(process.env.WIAC_TORTURE_SEED ?? Date.now() % 1_000_000);
const WORKERS = ['anna', 'ben', 'cleo', 'dora'];
const MARK = `torture-${process.pid}-${SEED}`;

/** Twenty that share steps with each other. */
function makeContexts(): string[] {
  const round = 'ARG ROUND';
  return Array.from({ length: 20 }, (_, which) =>
    context({
      Dockerfile: [
        dockerfile(
          round,
          `RUN : ${MARK}; sleep 0.2; echo $ROUND ${which % 2} > /side`,
          `RUN : ${MARK}; echo ${which % 5} > /more`,
        ).replace('scratch', 'scratch AS side'),
        dockerfile(
          round,
          `RUN : ${MARK}; sleep 0.3; echo $ROUND ${which % 2} > /half`,
          'COPY files /files',
          `RUN : ${MARK}; cat /files/* > /all; echo ${which % 4} >> /all`,
          'COPY --from=side /side /more /from/',
          `RUN : ${MARK}; sleep 0.2; cat /half /from/* > /own; echo ${which} >> /own`,
        ),
      ].join(''),
      'files/a': `${which % 2}\n`,
      'files/b': 'x'.repeat((which % 3) * 1000),
    }),
  );
}

/** What the stream of a step had. */
interface Seen {
  readonly id: string;
  readonly type: string;
  readonly worker?: string;
  readonly outcome?: { readonly base: readonly string[]; readonly cached?: boolean };
}

/** Streams by the life of Redis and the step. */
type Streams = Map<string, Map<string, Seen>>;

async function readStreams(client: Redis, life: number, streams: Streams): Promise<void> {
  for (const name of await client.keys('wiac:step:*')) {
    const seen = streams.get(`${life} ${name}`) ?? new Map<string, Seen>();
    streams.set(`${life} ${name}`, seen);
    for (const [id, fields] of await client.xrange(name, '-', '+'))
      seen.set(id, { id, ...JSON.parse(fields[1] ?? '') });
  }
}

/** Runs that began when a run on the same layers was already done. */
function needlessRuns(streams: Streams): string[] {
  return [...streams].flatMap(([name, messages]) => {
    const made = new Set<string>();
    const before = new Map<string | undefined, ReadonlySet<string>>();
    return [...messages.values()].flatMap(({ type, worker, outcome }) => {
      if (type === 'started') before.set(worker, new Set(made));
      if (type !== 'done' || !outcome || outcome.cached) return [];
      const base = outcome.base.join();
      made.add(base);
      return before.get(worker)?.has(base) ? [`${name} on ${worker}`] : [];
    });
  });
}

test('a run behind one on the same layers is needless, one beside it is not', () => {
  const done = (worker: string, base: string, cached = false) =>
    ({ type: 'done', worker, outcome: { base: [base], cached } }) as const;
  const started = (worker: string) => ({ type: 'started', worker }) as const;
  const told = (...messages: readonly Omit<Seen, 'id'>[]) =>
    needlessRuns(
      new Map([['s', new Map(messages.map((each, at) => [`${at}`, { id: `${at}`, ...each }]))]]),
    );
  expect(told(started('a'), done('a', 'x'), started('b'), done('b', 'x'))).toEqual(['s on b']);
  expect(told(started('a'), started('b'), done('a', 'x'), done('b', 'x'))).toEqual([]);
  expect(told(started('a'), done('a', 'x'), started('b'), done('b', 'y'))).toEqual([]);
  expect(told(started('a'), done('a', 'x'), started('b'), done('b', 'x', true))).toEqual([]);
});

/** Keys that would stay for ever. */
async function immortal(client: Redis): Promise<string[]> {
  const keys = await client.keys('*');
  const lives = await Promise.all(keys.map((key) => client.ttl(key)));
  return keys.filter((_, at) => lives[at] === -1).sort();
}

/** What a build may fail with when so much is killed, so that it is started again. */
const ALLOWED = /can't be used: |given up: 3 workers have begun it/;

test(
  'workers, builds and Redis are killed',
  async () => {
    const random = generator(SEED);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
    const fleet: Fleet = await startFleet();
    const { redis, cache } = fleet;
    const start = (name: string, root?: string): Promise<WorkerProcess> =>
      startWorker(name, redis.url, cache, ['-j', '2', '--lost-after', '3'], {}, root);
    const workers = await Promise.all(WORKERS.map((name) => start(name)));
    const roots = workers.map(({ root }) => root);
    const paths = makeContexts();
    const local = machine();
    const streams: Streams = new Map();
    const failed: string[] = [];
    const counts = { builds: 0, again: 0, worker: 0, redis: 0, build: 0 };
    const end = performance.now() + MINUTES * 60_000;
    const isOver = () => performance.now() > end || failed.length > 0;
    const running = new Map<Coordinator, { killed: boolean }>();
    let life = 0;
    let next = 0;

    /** Starts a build again until it comes to an end of its own. */
    const build = async (path: string, round: number): Promise<string | undefined> => {
      const root = join(tempDir(), 'store');
      for (;;) {
        const state = { killed: false };
        const build = startBuild(fleet, path, root, '--build-arg', `ROUND=${round}`);
        running.set(build, state);
        const { code, stdout, stderr } = await build.ended;
        running.delete(build);
        if (code === 0) return stdout;
        if (state.killed) continue;
        if (!ALLOWED.test(stderr)) {
          failed.push(stderr);
          return undefined;
        }
        counts.again += 1;
      }
    };
    const buildAll = async (): Promise<void> => {
      while (!isOver()) {
        const [round, path] = [Math.floor(next / 20), paths[next % 20] as string];
        next += 1;
        const lowerdirs = await build(path, round);
        if (lowerdirs === undefined) return;
        const here = await buildHere(local.root, path, { buildArgs: { ROUND: `${round}` } });
        expect(await describeLayers(lowerdirs)).toEqual(await describeLayers(here.lowerdirs));
        counts.builds += 1;
      }
    };
    const killAll = async (): Promise<void> => {
      while (!isOver()) {
        await sleep(500 + random() * 1000);
        const what = random();
        if (what < 0.5) {
          const at = Math.floor(random() * workers.length);
          await workers[at]?.kill('SIGKILL');
          workers[at] = await start(WORKERS[at] as string, roots[at]);
          counts.worker += 1;
        } else if (what < 0.7) {
          await readStreams(redis.client, life, streams);
          await redis.restart('SIGKILL');
          life += 1;
          counts.redis += 1;
        } else if (running.size > 0) {
          const [build, state] = pick([...running]);
          state.killed = true;
          await build.kill('SIGKILL');
          counts.build += 1;
        }
      }
    };
    try {
      await Promise.all([killAll(), ...Array.from({ length: BUILDS }, buildAll)]);
      expect({ seed: SEED, failed }).toEqual({ seed: SEED, failed: [] });
      await readStreams(redis.client, life, streams);
      expect(needlessRuns(streams)).toEqual([]);
      expect(counts.builds).toBeGreaterThan(0);
      await Promise.all(workers.map((worker) => worker.kill('SIGTERM')));
      // Of one that was killed it is known a little later.
      await until(async () => (await redis.client.keys('wiac:worker:*')).length === 0);
      await fleet.tryBuild(paths[0] as string, '--no-cache');
      expect(await immortal(redis.client)).toEqual([]);
      await until(() => processesWith(MARK).length === 0);
      for (const root of roots) expect(mountsBelow(root)).toEqual([]);
      process.stderr.write(`torture: ${JSON.stringify({ ...counts, seed: SEED })}\n`);
    } finally {
      await Promise.all(workers.map((worker) => worker.kill('SIGTERM')));
      await fleet.stop();
    }
  },
  MINUTES * 60_000 + 180_000,
);
