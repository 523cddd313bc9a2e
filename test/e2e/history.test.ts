/** Builds are kept: `wiac log`, `wiac history builds`. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { Machine, Result } from '../support/wiac.js';
import { context, dockerfile, machine, printed, tempDir, WIAC } from '../support/wiac.js';

const PAGE = readFileSync('docs/history.md', 'utf8');
const SECRET = 'correct-horse-battery';

function content(root: string): string {
  const builds = join(root, 'builds');
  return readdirSync(builds)
    .map((name) => readFileSync(join(builds, name), 'utf8'))
    .join('');
}

/** Text of a Dockerfile whose first stage is called base. */
const stages = (...lines: string[]) => dockerfile(...lines).replace('scratch', 'scratch AS base');

/** A process of wiac that goes on. */
function start(root: string, ...args: string[]) {
  return execa(process.execPath, [WIAC, ...args], {
    reject: false,
    stripFinalNewline: false,
    env: { WIAC_ROOT: root },
  });
}

async function list({ wiac }: Machine, ...args: string[]): Promise<Record<string, unknown>[]> {
  return JSON.parse((await wiac(['history', 'builds', '--json', ...args])).stdout);
}

test('what was built is listed, and its log is what was shown', async () => {
  const here = machine();
  const root = context({
    Dockerfile: stages(
      'RUN echo one',
      'ARG API_TOKEN',
      'RUN echo I have $API_TOKEN',
      'FROM base AS bad',
      'RUN echo broken >&2; exit 3',
    ),
  });
  const flags = [
    '--target=base',
    '--build-arg',
    `API_TOKEN=${SECRET}`,
    '-t',
    'image',
    '--label',
    `source=https://joe:${SECRET}@host/x`,
  ];
  const built = await here.wiac(['build', ...flags, root]);
  const shown = built.stderr.replaceAll(SECRET, '***');
  expect(shown).toContain('I have ***');
  // Times are those of two clocks.
  const withoutTimes = (lines: string) => lines.replace(/ \d+\.\d{3} \|/g, ' |');
  expect(withoutTimes((await here.wiac(['log'])).stdout)).toBe(withoutTimes(shown));
  const failed = await here.wiac(['build', root]);
  const again = await here.wiac(['build', '-q', ...flags, root]);
  expect([failed.exitCode, again.exitCode]).toEqual([5, 0]);

  const [third, second, oldest, ...others] = await list(here);
  expect(others).toEqual([]);
  expect(third).toMatchObject({
    status: 'ok',
    cached: 3,
    executed: 0,
    target: 'base',
    images: ['image'],
    context: root,
  });
  expect(second).toMatchObject({
    status: 'failed',
    exitCode: 5,
    failed: ['[bad 1/1]'],
    target: null,
  });
  expect(oldest).toMatchObject({
    executed: 3,
    lowerdirs: [built.stdout.trim()],
    dockerfile: join(root, 'Dockerfile'),
  });
  expect(await list(here, root, '--filter', 'result=failed')).toEqual([second]);
  expect(await list(here, tempDir())).toEqual([]);
  const members = /prints a list of objects:\n\n([\s\S]*?)\n\n/.exec(PAGE)?.[1] ?? '';
  expect(Object.keys(oldest ?? {}).sort()).toEqual(
    [...members.matchAll(/^\| ((?:\w+(?:, )?)+) \|/gm)]
      .flatMap(([, names = '']) => names.split(', '))
      .filter((name) => name !== 'member')
      .sort(),
  );
  const table = (await here.wiac(['history', 'builds'])).stdout.split('\n');
  expect(table[0]).toMatch(/^ID +AGE +PROJECT +TARGET +RESULT +TIME +STEPS +SAVED$/);
  expect(table[2]).toMatch(
    new RegExp(`^${second?.id} .* failed at \\[bad 1/1\\] .* 2 cached, 2 run`),
  );

  const log = async (...args: string[]) =>
    (await here.wiac(['log', ...args], { cwd: root })).stdout;
  const broken = '[bad 1/1] RUN echo broken >&2; exit 3\n';
  expect(await log('last~1', '--failed')).toContain(`${broken}[bad 1/1] miss: `);
  expect(await log('failed')).toContain(' | broken\n');
  expect(await log('failed', '--failed')).not.toContain('CACHED');
  expect(await log('failed', '--failed')).toContain(
    'the step ended with exit code 3\nlast lines of its output:\n  | broken\n',
  );
  expect(await log(String(oldest?.id).slice(0, 5), '[base 3/5]')).toMatch(
    /^\[base 3\/5\] RUN echo one\n[\s\S]*\n\[base 3\/5\] \S+ \| one\n\[base 3\/5\] done in .*\n$/,
  );
  expect(await log('.~2', 'RUN echo I', '-t')).toMatch(
    /^2\d{3}-\S+Z \[base 5\/5\] RUN echo I have/,
  );
  const rows = (await log('--json'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).type);
  expect(rows).toEqual([
    'build',
    'planned',
    'cached',
    'cached',
    'cached',
    'built',
    'lint',
    'result',
  ]);
  const missing = await here.wiac(['log', 'last', 'RUN nothing']);
  expect([missing.exitCode, missing.stderr]).toEqual([
    10,
    expect.stringContaining('has no step RUN nothing'),
  ]);

  expect(content(here.root)).toContain('"API_TOKEN=***"');
  expect(content(here.root)).not.toContain(SECRET);
  expect(statSync(join(here.root, 'builds')).mode & 0o777).toBe(0o700);
  writeFileSync(join(here.root, 'builds/stray'), '');
  expect((await here.wiac(['cache', 'verify'])).stdout).toContain('builds/stray');
});

test('two builds that go on are followed; one is killed, one is interrupted', async () => {
  const here = machine();
  const root = context({
    Dockerfile: stages(
      'FROM base AS a',
      'RUN echo this is a; sleep 100',
      'FROM base AS b',
      'RUN echo this is b; sleep 100',
    ),
  });
  const begin = async (target: string) => {
    const build = start(here.root, 'build', '--target', target, root);
    await printed(build.stderr, `| this is ${target}`);
    const log = start(here.root, 'log', '-f');
    await printed(log.stdout, `| this is ${target}\n`);
    return { build, log };
  };
  const a = await begin('a');
  const b = await begin('b');
  expect((await list(here)).map(({ status, target }) => [status, target])).toEqual([
    ['running', 'b'],
    ['running', 'a'],
  ]);
  expect((await here.wiac(['log'])).stderr).toContain('still runs: wiac log -f');
  a.build.kill('SIGKILL');
  b.build.kill('SIGINT');
  const [killed, interrupted] = (await Promise.all([a.log, b.log])) as unknown as Result[];
  expect(killed).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('has no end') });
  expect(interrupted).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(/stopped\nwiac: stopped by SIGINT\n$/),
  });
  expect((await list(here)).map(({ status, exitCode }) => [status, exitCode])).toEqual([
    ['interrupted', 130],
    ['killed', null],
  ]);
  expect((await here.wiac(['log', 'last~1'])).stdout).toMatch(/ \| this is a\n$/);
});

test('so many are kept as the config file says, and none where that is wanted', async () => {
  const here = machine();
  const root = context({ Dockerfile: 'FROM scratch\n' });
  const config = (history: unknown) => {
    const file = join(tempDir(), 'config.json');
    writeFileSync(file, JSON.stringify({ history }));
    return { env: { WIAC_CONFIG: file } };
  };
  const one = config({ keepBuilds: 1 });
  for (const label of ['n=1', 'n=2']) await here.wiac(['build', '-q', '--label', label, root], one);
  await here.wiac(['build', '-q', root], config(false));
  await here.wiac(['cache', 'prune', '--all']);
  expect((await list(here)).map(({ command }) => (command as string[])[3])).toEqual(['n=2']);
  await here.wiac(['cache', 'prune'], config(false));
  expect((await here.wiac(['log'])).stderr).toContain('no build is kept');
  expect((await here.wiac(['build', root], config({ keepBuild: 1 }))).exitCode).toBe(2);
});

test('a disk that is full takes nothing from the build', async () => {
  const here = machine();
  const root = context({
    Dockerfile: dockerfile('RUN cat /bin/text; echo end'),
    'bin/text': 'a line\n'.repeat(10_000),
  });
  const builds = join(here.root, 'builds');
  mkdirSync(builds, { recursive: true, mode: 0o700 });
  await execa('mount', ['-t', 'tmpfs', '-o', 'size=8k', 'tmpfs', builds]);
  try {
    expect((await here.wiac(['build', root])).exitCode).toBe(0);
    // The beginning and the result have fitted.
    expect(await list(here)).toMatchObject([{ status: 'ok', executed: 2 }]);
    expect((await here.wiac(['log'])).stdout).toMatch(/built in .*\n$/);
  } finally {
    await execa('umount', [builds]);
  }
});
