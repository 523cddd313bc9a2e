/** What users of docker, podman and buildah type, and what their shells have set. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { isDrawable } from '../../src/ui/progress.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, tempDir, WIAC, writeTree } from '../support/wiac.js';

const machine = warmMachines();

/** A context without a program, which builds in no time. */
function plain(lines = 'COPY file /\n'): string {
  const root = tempDir();
  writeTree(root, { Dockerfile: `FROM scratch\n${lines}`, file: 'x' });
  return root;
}

const getEvents = (stderr: string) =>
  stderr
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

describe("Go's way of switches", () => {
  test.each([
    ['--no-cache=false', 'CACHED'],
    ['--no-cache=0', 'CACHED'],
    ['--no-cache=true', 'done in'],
    ['--no-cache', 'done in'],
    ['--no-cache --no-cache=false', 'CACHED'],
    ['--no-cache=false --no-cache=T', 'done in'],
    ['--pull=false --push=false --load=false -q=false --rm=true --check=false', 'CACHED'],
    ['--pull=true', 'CACHED'],
    ['--build-arg --no-cache=true', 'CACHED'],
  ])('%s', async (flags, expected) => {
    const { wiac } = machine();
    const root = plain();
    await wiac(['build', root]);
    const { exitCode, stderr } = await wiac(['build', ...flags.split(' '), root]);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 0,
      stderr: expect.stringContaining(expected),
    });
  });

  test('of every command, and neither true nor false', async () => {
    const { wiac } = machine();
    await wiac(['build', '-t', 'x', plain()]);
    const ids = await wiac(['images', '-q=true', '--no-trunc=false']);
    expect(ids.stdout).toMatch(/^[^ ]+\n$/);
    expect(await wiac(['images', '-q=false'])).toMatchObject({
      stdout: expect.stringContaining('NAME'),
    });
    expect((await wiac(['cache', 'verify', '--repair=false'])).exitCode).toBe(0);
    const { exitCode, stderr } = await wiac(['build', '--no-cache=maybe', plain()]);
    expect([exitCode, stderr]).toEqual([
      2,
      expect.stringContaining('--no-cache=maybe: maybe is neither true nor false'),
    ]);
  });

  test("a program's arguments are its own", async () => {
    const { build, wiac } = machine();
    const { lowerdirs } = await build(context({ Dockerfile: dockerfile() }));
    const args = ['--help=true', '--isolation=x', '-q=maybe'];
    const layer = join(tempDir(), 'layer');
    expect(await wiac(['run', lowerdirs, layer, '/bin/echo', ...args])).toMatchObject({
      exitCode: 0,
      stdout: `${args.join(' ')}\n`,
    });
  });
});

test('Node reads no --env-file that is for the program', async () => {
  const { build, root } = machine();
  const image = context({ Dockerfile: dockerfile() });
  await build(image, '-t', 'image');
  const cwd = tempDir();
  for (const file of ['.env', 'nosuch']) {
    writeFileSync(join(cwd, '.env'), 'WIAC_ROOT=/nonexistent\nFROM_FILE=1\n');
    const args = ['run', 'image', '/bin/echo', `--env-file=${file}`];
    const env = { WIAC_ROOT: root, NODE_OPTIONS: '' };
    const { exitCode, stdout } = await execa(WIAC, args, { cwd, env, reject: false });
    expect([exitCode, stdout]).toEqual([0, `--env-file=${file}`]);
  }
});

describe('options without effect', () => {
  const FLAGS = [
    ...['--load', '--rm', '--force-rm', '--compress', '--layers', '--disable-content-trust', '-D'],
    ...['--builder=default', '--format=docker'],
  ];

  test('are taken, with one line each', async () => {
    const { wiac } = machine();
    const root = plain();
    const { exitCode, stderr } = await wiac(['build', ...FLAGS, root]);
    expect(exitCode).toBe(0);
    const lines = stderr.split('\n').filter((line) => line.includes('changes nothing'));
    expect(lines).toHaveLength(FLAGS.length);
    for (const line of lines)
      expect(line).toMatch(/^wiac: warning: --?[a-zA-Z-]+( docker)? changes/);
    const quiet = await wiac(['build', '-q', ...FLAGS, root]);
    expect(quiet).toMatchObject({ exitCode: 0, stderr: '' });
    const json = await wiac(['build', '--progress=json', ...FLAGS, root]);
    const warnings = getEvents(json.stderr).filter(({ type }) => type === 'warning');
    expect(warnings).toHaveLength(FLAGS.length);
  });

  test('say nothing when they are off, and --check has formats of its own', async () => {
    const { wiac } = machine();
    const off = FLAGS.filter((flag) => !flag.includes('=')).map((flag) => `${flag}=false`);
    expect((await wiac(['build', ...off, plain()])).stderr).not.toContain('changes nothing');
    const check = await wiac(['build', '--check', '--format=oci', plain()]);
    expect([check.exitCode, check.stderr]).toEqual([2, expect.stringContaining('no format of')]);
  });
});

describe('progress', () => {
  test.each([
    ['--progress=json'],
    ['--progress json'],
    ['--progress plain --progress json'],
    ['--progress=json --nosuch'],
    ['--progress=json --target nosuch'],
  ])('errors of %s are JSON', async (flags) => {
    const root = plain('COPY nosuch /\n');
    const { exitCode, stderr } = await machine().wiac(['build', ...flags.split(' '), root]);
    expect(exitCode).toBeGreaterThan(1);
    expect(getEvents(stderr).at(-1)).toMatchObject({ type: 'error', code: expect.any(String) });
  });

  test.each([['--build-arg --progress=json'], ['--progress=json --progress=plain']])(
    'errors of %s are text',
    async (flags) => {
      const root = plain('COPY nosuch /\n');
      const { stderr } = await machine().wiac(['build', ...flags.split(' '), root]);
      expect(stderr).toContain('wiac: ');
      expect(stderr).not.toContain('{');
    },
  );

  test('a step that was only stopped says so', async () => {
    const both = [
      ...['FROM scratch AS base', 'COPY bin /bin', 'FROM base AS slow'],
      ...['RUN sleep 1000', 'FROM base', 'RUN sleep 0.5; false', 'COPY --from=slow / /', ''],
    ];
    const root = context({ Dockerfile: both.join('\n') });
    const { exitCode, stderr } = await machine().wiac(['build', '--progress=json', '-j2', root]);
    expect(exitCode).toBe(5);
    const events = getEvents(stderr);
    const getStep = (text: string) =>
      events
        .find(({ type }) => type === 'planned')
        .steps.find((step: { text: string }) => step.text.includes(text)).id;
    const ends = events.filter(
      ({ type, step }) =>
        ['failed', 'stopped'].includes(type) && [getStep('1000'), getStep('false')].includes(step),
    );
    expect(ends.map(({ type, step }) => [type, step])).toEqual([
      ['failed', getStep('false')],
      ['stopped', getStep('1000')],
    ]);
    expect(events.filter(({ type }) => type === 'failed')).toHaveLength(1);
  });

  test('BUILDKIT_PROGRESS', async () => {
    const { wiac } = machine();
    const root = plain();
    const run = (mode: string, ...args: string[]) =>
      wiac(['build', ...args, root], { env: { BUILDKIT_PROGRESS: mode } });
    expect(getEvents((await run('json')).stderr).at(-1)).toMatchObject({ type: 'built' });
    expect(getEvents((await run('json', '--nosuch')).stderr)).toMatchObject([{ code: 'USAGE' }]);
    expect((await run('json', '--progress=plain')).stderr).toContain('CACHED');
    expect((await run('')).stderr).toContain('CACHED');
    expect((await run('quiet')).stderr).toBe('');
    expect(await run('nosuch')).toMatchObject({ exitCode: 2 });
  });

  test('nothing is drawn where it can not be, or nobody looks', () => {
    const [terminal, pipe] = [{ isTTY: true }, { isTTY: false }];
    expect(isDrawable(terminal, { TERM: 'xterm' })).toBe(true);
    expect(isDrawable(pipe, { TERM: 'xterm' })).toBe(false);
    expect(isDrawable(terminal, { TERM: 'dumb' })).toBe(false);
    expect(isDrawable(terminal, { TERM: 'xterm', CI: 'true' })).toBe(false);
    expect(isDrawable(terminal, { TERM: 'xterm', CI: '' })).toBe(true);
  });

  test('--log-format=json: a warning that is no event is a record of its own', async () => {
    const root = context({ Dockerfile: 'FROM scratch\n' });
    const { wiac } = machine();
    const { stderr } = await wiac(['build', '--rm', '--compress', '--log-format=json', root]);
    const records = stderr.split('\n').filter((line) => line.startsWith('{'));
    expect(records.map((line) => JSON.parse(line))).toMatchObject([
      { level: 40, msg: expect.stringContaining('--rm changes nothing') },
      { level: 40, msg: expect.stringContaining('--compress changes nothing') },
    ]);
  });

  test('warnings are lines like all others', async () => {
    const { wiac } = machine();
    const build = (...flags: string[]) =>
      wiac(['build', '--build-arg=NOSUCH=1', ...flags, plain()]);
    expect((await build()).stderr).toMatch(/^wiac: warning: .*NOSUCH.*$/m);
    expect((await build('-q')).stderr).toMatch(/^wiac: warning: .*NOSUCH.*\n$/);
    for (const flag of ['--log-level=error', '--progress=none'])
      expect((await build(flag)).stderr).not.toContain('warning');
  });
});

test('a mistake in the config file is told before the build', async () => {
  const { wiac, root } = machine();
  const file = join(tempDir(), 'config.json');
  writeFileSync(file, '{"prune": {"keepBytes": "much"}}');
  const built = await wiac(['build', plain()], { env: { WIAC_CONFIG: file } });
  expect([built.exitCode, built.stderr]).toEqual([2, expect.stringContaining(file)]);
  expect(existsSync(join(root, 'layers')) ? readdirSync(join(root, 'layers')) : []).toEqual([]);
});

describe('--secret', () => {
  const READS = dockerfile(
    'RUN --mount=type=secret,id=s,required cat /run/secrets/s',
    'RUN --mount=type=secret,id=s,required cat /run/secrets/s && true',
  );
  const build = (secret: string, root = context({ Dockerfile: READS })) =>
    machine().wiac(['build', '--secret', secret, root], { env: { TOKEN: 'hunter2' } });

  test.each(['id=s,src=TOKEN,type=env', 'type=env,id=s,source=TOKEN', 'id=s,env=TOKEN'])(
    '%s',
    async (secret) => {
      const { exitCode, stderr } = await build(secret);
      expect(exitCode).toBe(0);
      expect(stderr.match(/\| hunter2$/gm)).toHaveLength(2);
    },
  );

  test('a name with a comma stands in quotes', async () => {
    const file = join(tempDir(), 'a,b');
    writeFileSync(file, 'comma');
    expect((await build(`id=s,"src=${file}"`)).stderr.match(/\| comma$/gm)).toHaveLength(2);
  });

  test.each([
    'id=s,type=nosuch,src=x',
    'id=s,type=file,env=TOKEN',
    'id=s,src=x,env=TOKEN',
    'id=s,"src=x',
  ])('%s is a mistake', async (secret) => {
    expect((await build(secret, plain())).exitCode).toBe(2);
  });

  test('a file that is not there is told before any step runs', async () => {
    const { exitCode, stderr } = await build('id=other,src=/nosuch/file');
    expect(exitCode).toBe(2);
    expect(stderr).toContain('--secret id=other: /nosuch/file does not exist');
    expect(stderr).not.toContain('cat /run');
  });

  test('a pipe is read once for all steps', async () => {
    const { root } = machine();
    const image = context({ Dockerfile: READS });
    const script = `exec ${process.execPath} ${WIAC} build --secret id=s,src=<(echo piped) ${image}`;
    const { stderr } = await execa('bash', ['-c', script], { env: { WIAC_ROOT: root } });
    expect(stderr.match(/\| piped$/gm)).toHaveLength(2);
  });
});

describe('--output', () => {
  test('type=cacheonly writes nothing', async () => {
    const { wiac } = machine();
    const cwd = tempDir();
    const first = await wiac(['build', '-o', 'type=cacheonly', plain()], { cwd });
    expect([first.exitCode, readdirSync(cwd)]).toEqual([0, []]);
    const wrong = await wiac(['build', '-o', 'type=cacheonly,dest=x', plain()], { cwd });
    expect(wrong).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('has no dest') });
  });

  test('several name= are several names', async () => {
    const { wiac } = machine();
    for (const spec of ['type=image,name=a,name=b', 'type=image,"name=a,b"']) {
      expect(await wiac(['build', '-o', spec, plain()])).toMatchObject({ exitCode: 0 });
      const { stdout } = await wiac(['images', '--format={{.Repository}}']);
      expect(stdout.split('\n').filter(Boolean).sort()).toEqual(['a', 'b']);
      await wiac(['rmi', 'a', 'b']);
    }
  });
});
