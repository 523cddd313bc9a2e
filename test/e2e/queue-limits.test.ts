/** A queue at its limits: Redis that does not answer, many steps at once, steps that print much, hostile neighbours. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { OWN_VERSION } from '../../src/executor/queue/queue-protocol.js';
import { formatPlatform, hostPlatform } from '../../src/oci/platform.js';
import type { Fleet } from '../support/fleet.js';
import { startBuild, startFleet } from '../support/fleet.js';
import type { WorkerProcess } from '../support/redis.js';
import { startWorker } from '../support/redis.js';
import { context, dockerfile, machine, tempDir } from '../support/wiac.js';

/** ms */
const PATIENCE = 60_000;

const platform = formatPlatform(hostPlatform());

let fleet: Fleet;
let anna: WorkerProcess;

beforeEach(async () => {
  fleet = await startFleet();
  anna = await fleet.work('anna', '--jobs', '3');
});

afterEach(() => fleet.stop());

const steps = (...lines: string[]) => context({ Dockerfile: dockerfile(...lines) });

/** A file of a result, in letters. */
function readResult(lowerdirs: string, name: string): string {
  const layer = lowerdirs.split(':').find((path) => existsSync(join(path, name))) ?? '';
  return readFileSync(join(layer, name), 'hex');
}

/** How long something takes. ms */
async function duration(action: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await action();
  return performance.now() - begun;
}

test(
  'many steps at once, a very long line, and a step that no worker takes',
  async () => {
    const names = Array.from({ length: 12 }, (_, at) => `s${at}`);
    const stages = names.map((name) => `FROM base AS ${name}\nRUN echo ${name} > /${name}`);
    const copies = names.map((name) => `COPY --from=${name} /${name} /`);
    const lines = ['FROM scratch AS base', 'COPY bin /bin', ...stages, 'FROM scratch', ...copies];
    const project = context({ Dockerfile: `${lines.join('\n')}\n` });
    const { exitCode, stderr } = await fleet.tryBuild(project);
    expect(exitCode === 0 ? '' : stderr).toBe('');
    expect(stderr).not.toContain('MaxListenersExceededWarning');

    const long = steps(`RUN x=aaaaaaaaaaaaaaaa; ${'x=$x$x$x$x; '.repeat(9)} echo $x; exit 5`);
    const failed = await fleet.tryBuild(long);
    expect(failed.stderr).toContain('the step ended with exit code 5');
    expect(failed.exitCode).not.toBe(17);

    // Workers would refuse it, and it would be sent again and again.
    const refused = await fleet.tryBuild(steps(`ENV ${'a'.repeat(5000)}=1`, 'RUN echo $aa'));
    expect(refused.exitCode).toBe(17);
    expect(refused.stderr).toContain('a job in the queue is none: steps.0.step.env.');
  },
  PATIENCE,
);

test(
  'an announcement that is none stops no build, and puts nothing on a terminal',
  async () => {
    const { client, url } = fleet.redis;
    const said = { id: 'x', name: 'mallory', platforms: [platform], labels: [] };
    const full = { ...said, slots: 1, running: [], done: 0 };
    const announce = async (id: string, announcement: unknown) => {
      await client.set(`wiac:worker:${id}`, JSON.stringify(announcement), 'PX', 20_000);
      await client.sadd('wiac:workers', id);
    };
    await announce('x', { ...OWN_VERSION, ...full, slots: 'many' });
    await announce('y', { ...OWN_VERSION, ...full, wiac: '\u001b[2J' });
    const { events } = await fleet.build(steps('RUN echo neighbour'));
    expect(events).toContainEqual(expect.objectContaining({ type: 'placed', worker: 'anna' }));
    const listed = await machine().wiac(['workers', '--queue', url]);
    expect(listed.exitCode === 0 ? '' : listed.stderr).toBe('');
    expect(listed.stdout).not.toContain('\u001b');
    expect(listed.stdout).not.toContain('mallory');

    // What a worker that is gone has left is removed, also when somebody has listed the workers before.
    await client.sadd('wiac:workers', 'gone');
    const queue = `wiac:queue:v${OWN_VERSION.protocol}-${OWN_VERSION.wiac}-at-gone`;
    await client.hset(`${queue}:meta`, 'version', 'bullmq');
    await machine().wiac(['workers', '--queue', url]);
    await fleet.build(steps('RUN echo after', 'RUN sleep 0.5'));
    expect(await client.keys(`${queue}:*`)).toEqual([]);
    expect(await client.sismember('wiac:workers', 'gone')).toBe(0);
  },
  PATIENCE,
);

test(
  'a build and a worker end when they are told to, although Redis does not answer',
  async () => {
    const ben = await fleet.work('ben', '--grace', '0', '--label', 'slow');
    const idle = await fleet.work('idle');
    const project = steps('# wiac:label=slow', 'RUN echo begun; sleep 20');
    const build = startBuild(fleet, project, join(tempDir(), 'store'));
    await build.printed('| begun');
    fleet.redis.signal('SIGSTOP');
    try {
      const all = [build.kill('SIGINT'), ben.kill('SIGTERM'), idle.kill('SIGTERM')];
      const took = await duration(() => Promise.all(all));
      expect(took).toBeLessThan(12_000);
    } finally {
      fleet.redis.signal('SIGCONT');
    }
    expect((await build.ended).stderr).toContain('stopped by SIGINT');
  },
  PATIENCE,
);

test(
  'a build and a worker end when they are told to, although the place of the layers does not answer',
  async () => {
    const ben = await fleet.work('ben', '--grace', '0', '--label', 'slow');
    const project = steps('# wiac:label=slow', 'RUN echo begun; echo x > /x; sleep 3');
    const build = startBuild(fleet, project, join(tempDir(), 'store'));
    const { signal } = fleet.registry;
    await build.printed('| begun');
    signal('SIGSTOP');
    try {
      await new Promise((resume) => setTimeout(resume, 3500));
      await Promise.all([build.kill('SIGINT'), ben.kill('SIGTERM')]);
    } finally {
      signal('SIGCONT');
    }
    expect((await build.ended).stderr).toContain('stopped by SIGINT');
    expect(ben.log()).toContain('gives its step back');
  },
  PATIENCE,
);

test(
  'a worker without its store leaves steps to others, and does not keep a build for ever',
  async () => {
    rmSync(anna.root, { recursive: true, force: true });
    const failed = await fleet.tryBuild(steps('RUN echo nowhere'));
    expect(failed.exitCode).toBe(17);
    expect(failed.stderr).toMatch(/wiac: given up: ENOENT.* \(on anna\)/);
  },
  PATIENCE,
);

test(
  'a worker that has fewer users than the machine of the build runs nothing for it',
  async () => {
    const under = ['unshare', '--user', '--map-root-user'];
    const root = join(tempDir(), 'store');
    const { url } = fleet.redis;
    const lone = await startWorker('lone', url, fleet.cache, ['--label=lone'], {}, root, under);
    try {
      const project = steps('# wiac:label=lone', 'RUN chown 5000 /bin || echo none > /none');
      const failed = await fleet.tryBuild(project);
      expect(failed.exitCode).toBe(17);
      expect(failed.stderr).toContain('lone: the user namespace of this worker lacks users');
      expect(failed.stderr).toContain('given up');
    } finally {
      await lone.kill('SIGTERM');
    }
  },
  PATIENCE,
);

test(
  'a step that reads another stage is taken only from a build that had the same files there',
  async () => {
    const random = 'head -c 16 /dev/urandom > /made';
    const lines = ['FROM scratch AS base', 'COPY bin /bin', 'FROM base AS data', `RUN ${random}`];
    const reads = ['FROM base', 'COPY --from=data /made /copied'];
    const mounts = ['RUN --mount=type=bind,from=data,target=/data cat /data/made > /mounted'];
    const project = context({ Dockerfile: `${[...lines, ...reads, ...mounts].join('\n')}\n` });
    // The shared cache would say which layers it was made with; the queue must know as well.
    const on = machine();
    await fleet.build(project, on);
    const { lowerdirs } = await fleet.build(project, on, '--no-cache-filter', 'data');
    const data = await fleet.build(project, on, '--target', 'data');
    const made = readResult(data.lowerdirs, 'made');
    expect(readResult(lowerdirs, 'copied')).toBe(made);
    expect(readResult(lowerdirs, 'mounted')).toBe(made);
  },
  PATIENCE,
);

test(
  'a build that has begun waits for workers that Redis has forgotten',
  async () => {
    await fleet.work('ben', '--lost-after', '15', '--label', 'slow');
    const label = '# wiac:label=slow';
    const here = 'RUN --network=host echo here; sleep 1';
    const project = steps(label, 'RUN echo first', here, label, 'RUN echo last');
    const root = join(tempDir(), 'store');
    const build = startBuild(fleet, project, root, '--allow', 'network.host');
    await build.printed('| here');
    await fleet.redis.client.flushall();
    const { code, stderr } = await build.ended;
    expect(code === 0 ? '' : stderr).toBe('');
    expect(stderr).toContain('| last');
  },
  PATIENCE,
);
