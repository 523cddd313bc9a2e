/** Workers in places of their own: clocks that are an hour off, a disk that is full, or fails. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { Fleet } from '../support/fleet.js';
import { startBuild, startFleet, until } from '../support/fleet.js';
import { emptyDisk } from '../support/power-cut.js';
import type { WorkerProcess } from '../support/redis.js';
import { startWorker } from '../support/redis.js';
import { describeLayers } from '../support/tree.js';
import { context, dockerfile, machine, ranSteps, tempDir } from '../support/wiac.js';

let fleet: Fleet;
const started: WorkerProcess[] = [];

const work: typeof startWorker = async (...given) => {
  const worker = await startWorker(...given);
  started.push(worker);
  return worker;
};

beforeAll(async () => {
  fleet = await startFleet();
});

afterAll(() => {
  // Those of a test that failed.
  for (const worker of started) worker.signal('SIGKILL');
  return fleet.stop();
});

/** A Node whose clock says another time than the machine's. */
function skewed(hours: number): Record<string, string> {
  const path = join(tempDir(), 'clock.cjs');
  const text = `const real = Date, off = ${hours} * 3600e3;
globalThis.Date = class extends real {
  constructor(...given) { given.length === 0 ? super(real.now() + off) : super(...given); }
  static now() { return real.now() + off; }
};`;
  writeFileSync(path, text);
  return { NODE_OPTIONS: `--require=${path}` };
}

test('clocks that are hours apart change nothing', async () => {
  const stages = Array.from(
    { length: 6 },
    (_, at) => `FROM base AS s${at}\nRUN echo ${at} > /f${at} && echo more`,
  );
  const copies = stages.map((_, at) => `COPY --from=s${at} /f${at} /`);
  const text = `${dockerfile().replace('FROM scratch', 'FROM scratch AS base')}${stages.join('\n')}\nFROM base\n${copies.join('\n')}\nRUN cat /f* > /all\n`;
  const path = context({ Dockerfile: text });
  const workers = await Promise.all(
    [1, -1].map((hours) =>
      work(`h${hours}`, fleet.redis.url, fleet.cache, ['--jobs', '1'], skewed(hours)),
    ),
  );
  const { lowerdirs, events } = await fleet.build(path);
  const names = new Set(events.flatMap(({ type, worker }) => (type === 'placed' ? [worker] : [])));
  expect([...names].sort()).toEqual(['h-1', 'h1']);
  const local = await machine().build(path);
  expect(await describeLayers(lowerdirs)).toEqual(await describeLayers(local.lowerdirs));
  // One that is killed is missed by Redis' clock, not by its own.
  const [first, second] = workers as [WorkerProcess, WorkerProcess];
  await first.kill('SIGKILL');
  const again = context({ Dockerfile: dockerfile('RUN echo again > /again') });
  expect(ranSteps((await fleet.build(again)).events).at(-1)).toBe('RUN echo again > /again');
  await second.kill('SIGTERM');
});

test("a worker's full disk gives the step to another one", async () => {
  const root = tempDir();
  const disk = join(root, 'disk');
  mkdirSync(disk);
  await execa('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', disk]);
  try {
    const small = await work('small', fleet.redis.url, fleet.cache, ['--jobs', '1'], {
      WIAC_ROOT: join(disk, 'store'),
    });
    const path = context({
      Dockerfile: dockerfile('RUN head -c 60000000 /dev/zero > /large && echo made'),
    });
    const building = fleet.build(path);
    // It has begun, and failed, before there is another one.
    for (let left = 200; left > 0 && !/gives its step back/.test(small.log()); left -= 1)
      await new Promise((resume) => setTimeout(resume, 50));
    expect(small.log()).toMatch(/gives its step back: the step ended with exit code 1/);
    await small.kill('SIGTERM');
    const large = await work('large', fleet.redis.url, fleet.cache, ['--jobs', '1']);
    const { events } = await building;
    expect(events.filter(({ type }) => type === 'placed').at(-1)).toMatchObject({
      worker: 'large',
    });
    await large.kill('SIGTERM');
  } finally {
    await execa('umount', ['-l', disk]);
  }
});

/** A worker whose store is spoiled in the middle of its first step.*/
async function spoil(root: string, breakStore: () => Promise<unknown>): Promise<void> {
  const bad = await work('bad', fleet.redis.url, fleet.cache, ['--jobs', '1'], {}, root);
  const step = `echo begun; sleep 2; mkdir /made; date +%N > /made/${basename(dirname(root))}`;
  const path = context({ Dockerfile: dockerfile(`RUN ${step}`) });
  const building = startBuild(fleet, path, join(tempDir(), 'store'));
  try {
    await building.printed('| begun');
    await breakStore();
    await until(() => /gives its step back/.test(bad.log()), bad.log);
  } finally {
    // Its disk is busy as long as it lives.
    await bad.kill('SIGKILL');
  }
  const good = await work('good', fleet.redis.url, fleet.cache, ['--jobs', '1']);
  const { code, stderr } = await building.ended;
  await good.kill('SIGTERM');
  expect(code === 0 ? '' : stderr).toBe('');
  expect(stderr).toMatch(/on bad\n[\s\S]*on good\n/);
}

test("a worker's disk that fails in the middle of a step gives the step to another one", async () => {
  const disk = await emptyDisk('64M', 'ext4');
  try {
    await spoil(join(disk.path, 'store'), () =>
      execa('xfs_io', ['-x', '-c', 'shutdown', disk.path]),
    );
  } finally {
    await disk.remove();
  }
});

test('a worker whose disk has failed before takes no step for done', async () => {
  const disk = await emptyDisk('64M', 'ext4');
  const root = join(disk.path, 'store');
  const bad = await work('bad', fleet.redis.url, fleet.cache, ['--jobs', '1'], {}, root);
  try {
    await execa('xfs_io', ['-x', '-c', 'shutdown', disk.path]);
    const path = context({ Dockerfile: dockerfile('RUN echo made > /by-another') });
    const building = startBuild(fleet, path, join(tempDir(), 'store'));
    await until(() => /gives its step back/.test(bad.log()), bad.log);
    await bad.kill('SIGKILL');
    const good = await work('good', fleet.redis.url, fleet.cache, ['--jobs', '1']);
    const { code, stderr } = await building.ended;
    await good.kill('SIGTERM');
    expect(code === 0 ? '' : stderr).toBe('');
  } finally {
    await bad.kill('SIGKILL');
    await disk.remove();
  }
});

test("a worker's store that somebody removes in the middle of a step gives the step to another one", async () => {
  const root = join(tempDir(), 'store');
  await spoil(root, () => rm(root, { recursive: true, force: true, maxRetries: 10 }));
});

test('a build that ends leaves the job that another build waits for', async () => {
  const worker = await work('busy', fleet.redis.url, fleet.cache, ['--jobs', '1']);
  const { client } = fleet.redis;
  const begin = (line: string) => {
    const path = context({ Dockerfile: dockerfile(line) });
    return startBuild(fleet, path, join(tempDir(), 'store'));
  };
  const jobs = async () =>
    (await client.lrange((await client.keys('*:wait'))[0] ?? '', 0, -1)).length;
  const blocker = begin('RUN sleep 4');
  await blocker.printed('on busy');
  const both = ['one', 'two'].map(() => begin('RUN echo both > /both'));
  const [first, second] = both as [(typeof both)[0], (typeof both)[0]];
  // Each of them, and nobody: wanted by three.
  await until(async () => {
    const wanted = await client.keys('wiac:wanted:*');
    const counts = await Promise.all(wanted.map((key) => client.scard(key)));
    return counts.includes(3);
  });
  await until(async () => (await jobs()) === 1);
  await first.kill('SIGINT');
  expect(await jobs()).toBe(1);
  await blocker.kill('SIGINT');
  expect((await second.ended).code).toBe(0);
  await worker.kill('SIGTERM');
});
