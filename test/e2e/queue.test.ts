/** Builds whose steps are run by workers: a real redis-server, a real registry, workers with stores of their own. */

import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { Fleet } from '../support/fleet.js';
import { startBuild, startFleet, until } from '../support/fleet.js';
import { describeLayers } from '../support/tree.js';
import { repository, serveFiles } from '../support/web-server.js';
import type { BuildEvent } from '../support/wiac.js';
import { context, dockerfile, getOutput, machine, ranSteps, tempDir } from '../support/wiac.js';

/** ms */
const PATIENCE = 60_000;

let fleet: Fleet;

beforeEach(async () => {
  fleet = await startFleet();
});

afterEach(() => fleet.stop());

/** Names of the workers that ran something, in the order of the steps. */
function placed(events: readonly BuildEvent[]): string[] {
  return events.filter(({ type }) => type === 'placed').map(({ worker }) => String(worker));
}

/** A file at the top of a result, whichever layer has it. */
function readResult(lowerdirs: string, name: string): string {
  for (const layer of lowerdirs.split(':')) {
    try {
      return readFileSync(join(layer, name), 'utf8');
    } catch {
      // It is in another one.
    }
  }
  throw new Error(`no layer has ${name}`);
}

/** How many jobs were ever put into queues: BullMQ counts them. */
async function jobCount(): Promise<number> {
  const { client } = fleet.redis;
  const counters = await client.keys('wiac:queue:*:id');
  const counts = await Promise.all(counters.map((name) => client.get(name)));
  return counts.reduce((sum, count) => sum + Number(count), 0);
}

test(
  'what ADD fetches is copied and unpacked by workers',
  async () => {
    const { root, git } = await repository({ 'sub/a': 'a', 'sub/b': 'b' });
    await git('tag', '-a', '-m', 'tag', 'v');
    await git('push', '-q', '../r.git', 'v');
    await git('-C', '../r.git', 'update-server-info');
    await execa('tar', ['-cf', 'x.tar', '-C', 'work', 'sub'], { cwd: root });
    const server = await serveFiles(root);
    const url = `http://${server.host}`;
    await fleet.work('anna');
    const project = context({
      Dockerfile: `FROM scratch AS fetched
ADD --unpack ${url}/x.tar /unpacked/
${dockerfile()}ADD --chmod=600 ${url}/x.tar /file/
ADD --chown=3:4 ${url}/r.git#v:sub /sub
ADD --keep-git-dir ${url}/r.git#v /whole
COPY --from=fetched --parents /unpacked/./sub/* /parents/
RUN ls /whole/.git > list
`,
    });
    try {
      const here = await describeLayers((await machine().build(project)).lowerdirs);
      const there = await fleet.build(project);
      const files = await describeLayers(there.lowerdirs);
      // git writes into .git when that was.
      const plain = (lines: readonly string[]) => lines.filter((line) => !line.includes('.git/'));
      expect(plain(files)).toEqual(plain(here));
      expect(placed(there.events).length).toBeGreaterThanOrEqual(5);
    } finally {
      server.stop();
    }
  },
  PATIENCE,
);

test(
  'a whole project is built by workers, and has the same files',
  async () => {
    await fleet.work('anna');
    const project = context({
      Dockerfile: `${dockerfile()}COPY files /files
FROM scratch AS data
COPY files/sub /data
${dockerfile('WORKDIR /made/here')}COPY files /files
RUN mkdir dir && echo one > dir/one && ln dir/one dir/two && ln -s one dir/link && chmod 750 dir
RUN rm -r dir && mkdir dir && echo new > dir/new && rm /files/a; echo said
WORKDIR /made/later
RUN --mount=type=bind,from=data,source=/data,target=/shown cat /shown/c > c
RUN --mount=type=cache,target=/cache echo x > /cache/x && pwd > where
COPY --from=data --chown=3:4 /data /owned
COPY --from=data /data/* /many/
ENV A=b
RUN echo $A > env
`,
      'files/a': 'a',
      'files/b': 'b',
      'files/sub/c': 'c',
      'files/sub/d': 'd',
    });
    const here = await machine().build(project);
    const own = machine();
    const there = await fleet.build(project, own);
    expect(await describeLayers(there.lowerdirs)).toEqual(await describeLayers(here.lowerdirs));
    expect(getOutput(there.events)).toEqual(['said']);
    expect(placed(there.events)).toHaveLength(9);
    // What workers made is in the store and in the shared cache as anything else is.
    expect(ranSteps((await own.build(project)).events)).toEqual([]);
    const other = await machine().build(project, '--cache-from', fleet.cache);
    expect(ranSteps(other.events)).toEqual([]);
    const verified = await own.wiac(['cache', 'verify']);
    expect(verified).toMatchObject({ exitCode: 0 });
    expect(verified.stdout).not.toContain('garbage');
  },
  PATIENCE,
);

test(
  'steps that follow each other are one job',
  async () => {
    await fleet.work('anna');
    const lines = ['RUN echo 1 > /1', 'ENV A=2', 'WORKDIR /w', 'RUN echo $A; echo 2 > /2'];
    const { events } = await fleet.build(context({ Dockerfile: dockerfile(...lines) }));
    expect(getOutput(events)).toEqual(['2']);
    expect(placed(events)).toHaveLength(3);
    expect(await jobCount()).toBe(1);
  },
  PATIENCE,
);

test(
  'two builds that want the same step run it once, and both hear it',
  async () => {
    await fleet.work('anna', '-j', '2');
    const step = 'RUN echo begun; sleep 1; cat /proc/sys/kernel/random/uuid > /id; echo ended';
    const projects = [1, 2].map((number) =>
      context({ Dockerfile: dockerfile(step, `RUN echo ${number}; cat /id`) }),
    );
    const built = await Promise.all(projects.map((project) => fleet.build(project)));
    const [first = '', second] = built.map(({ lowerdirs }) => readResult(lowerdirs, 'id'));
    expect(second).toBe(first);
    expect(built.map(({ events }) => getOutput(events))).toEqual([
      ['begun', 'ended', '1', first.trim()],
      ['begun', 'ended', '2', first.trim()],
    ]);
  },
  PATIENCE,
);

test(
  'workers share the stages of a build; wiac workers lists them',
  async () => {
    const [anna] = await Promise.all([
      fleet.work('anna', '-j', '2', '--metrics', '127.0.0.1:0'),
      fleet.work('ben', '-j', '2', '--label', 'gpu'),
    ]);
    const stages = [1, 2, 3, 4].map((n) => `FROM base AS s${n}\nRUN sleep 1; echo ${n} > /s${n}`);
    const project = context({
      Dockerfile: `FROM scratch AS base\nCOPY bin /bin\n${stages.join('\n')}
FROM scratch
${[1, 2, 3, 4].map((n) => `COPY --from=s${n} /s${n} /`).join('\n')}
`,
    });
    const build = startBuild(fleet, project, join(tempDir(), 'store'));
    const list = async (...flags: string[]) =>
      (await machine().wiac(['workers', '--queue', fleet.redis.url, ...flags])).stdout;
    let text = '';
    await until(
      async () => {
        text = await list();
        return text.includes('4 of 4 slots busy (100 %)');
      },
      () => text + build.said(),
    );
    expect(text).toMatch(/^anna +linux\/\S+ +2\/2 .*\nben +linux\/\S+,gpu +2\/2 /m);
    expect(text).toContain('0 chains wait for');
    const { code, stderr } = await build.ended;
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stderr).toContain(' on anna\n');
    expect(stderr).toContain(' on ben\n');
    const listed = JSON.parse(await list('--json'));
    expect(listed.workers).toMatchObject([{ name: expect.any(String), slots: 2, running: [] }, {}]);
    expect(listed.slots).toBe(4);
    const [, address = ''] = /metrics at (\S+)/.exec(anna.log()) ?? [];
    const metrics = await (await fetch(address)).text();
    expect(metrics).toMatch(/^wiac_worker_steps_total\{end="done",worker="anna"\} [1-9]/m);
    expect(metrics).toMatch(/^wiac_worker_slots\{worker="anna"\} 2$/m);
    expect(metrics).toMatch(
      /^wiac_worker_layer_bytes_total\{direction="in",worker="anna"\} \d{5}/m,
    );
    expect((await fetch(address.replace('metrics', 'other'))).status).toBe(404);
  },
  PATIENCE,
);

test(
  'a chain goes to the worker that has the layers below it, a label to one that has the label',
  async () => {
    await fleet.work('anna', '-j', '2');
    const first = dockerfile('RUN echo 1 > /1');
    await fleet.build(context({ Dockerfile: first }));
    await fleet.work('ben', '--label', 'gpu', '-j', '2');
    // Ben is as free as anna, and there are three of each.
    for (const number of [2, 3, 4]) {
      const more = context({ Dockerfile: `${first}RUN echo ${number} > /${number}\n` });
      const { events } = await fleet.build(more);
      expect(placed(events)).toEqual(['anna']);
    }
    const labelled = `${first}# wiac:label=gpu\nRUN echo 5 > /5\nRUN echo 6 > /6\n`;
    const here = await fleet.build(context({ Dockerfile: labelled }));
    expect(placed(here.events)).toContain('ben');
    const flag = ['--worker-label', 'RUN echo 7=gpu'];
    const given = context({ Dockerfile: `${first}RUN echo 7 > /7\n` });
    expect(placed((await fleet.build(given, machine(), ...flag)).events)).toEqual(['ben']);
    const nobody = await fleet.tryBuild(given, '--no-cache', '--worker-label', '0=fpga');
    expect(nobody.exitCode).toBe(17);
    expect(nobody.stderr).toContain('with the label fpga is in the queue');
  },
  PATIENCE,
);

test(
  'a step that fails says the same as here',
  async () => {
    await fleet.work('anna');
    const project = context({ Dockerfile: dockerfile('RUN echo why; exit 3') });
    const there = await fleet.tryBuild(project);
    const here = await machine().wiac(['build', '--progress=plain', project]);
    expect(there.exitCode).toBe(5);
    const last = ({ stderr }: typeof here) => stderr.slice(stderr.indexOf('wiac: '));
    expect(last(there)).toBe(last(here));
    // A failure is not kept: it may have been the network's.
    const again = await fleet.tryBuild(project);
    expect(again.stderr).toContain('on anna');
  },
  PATIENCE,
);

test(
  'a result that goes to a registry never comes here',
  async () => {
    await fleet.work('anna');
    const own = machine();
    const base = `${fleet.registry.host}/base`;
    await own.build(
      context({ Dockerfile: dockerfile() }),
      '--output',
      `type=registry,name=${base}`,
    );
    rmSync(own.root, { recursive: true });
    const project = context({
      Dockerfile: `FROM ${base}\nRUN echo far > /far\nRUN echo out > /out`,
    });
    const image = `${fleet.registry.host}/image`;
    await fleet.build(project, own, '--output', `type=registry,name=${image}`);
    const { stdout } = await own.wiac(['cache', 'du']);
    expect(stdout).toMatch(/layers +0/);
    const pulled = machine();
    expect(await pulled.wiac(['pull', image])).toMatchObject({ exitCode: 0 });
    const ran = await pulled.wiac(['run', image, '/bin/cat', '/far', '/out']);
    expect(ran.stdout).toBe('far\nout\n');
  },
  PATIENCE,
);
