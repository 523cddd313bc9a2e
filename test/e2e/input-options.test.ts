/** Options of a build that say what is read, or say another way what others say; and --logfile. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { buildahStorage } from '../support/registry.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, getOutput, ranSteps, tempDir, writeTree } from '../support/wiac.js';

const machine = warmMachines();

describe('--from', () => {
  test('is the image of the first FROM, and of no other', async () => {
    const { build } = machine();
    await build(context({ Dockerfile: dockerfile('RUN echo one > /name') }), '-t', 'one');
    await build(context({ Dockerfile: dockerfile('RUN echo two > /name') }), '-t', 'two');
    const root = context({
      Dockerfile: [
        'ARG BASE=nosuch.invalid/x',
        'FROM ${BASE} AS first',
        'RUN cat /name',
        'FROM two',
        'COPY --from=first /name /first',
        'RUN cat /name /first',
        '',
      ].join('\n'),
    });
    const { events } = await build(root, '--from=one', '--jobs=1');
    expect(getOutput(events).sort()).toEqual(['one', 'one', 'two']);
    const text = events.flatMap((event) => (event.type === 'planned' ? JSON.stringify(event) : []));
    expect(text.join()).toContain('FROM one AS first');
    const scratch = context({ Dockerfile: 'FROM one\nCOPY bin /other\n' });
    expect(ranSteps((await build(scratch, '--from', 'scratch')).events)).toHaveLength(1);
  });

  test('is a name, and no text with variables', async () => {
    const { wiac } = machine();
    const root = context({ Dockerfile: 'ARG X=scratch\nFROM one\n' });
    expect(await wiac(['build', '--from=$X', root])).toMatchObject({ exitCode: 11 });
  });
});

describe('--ignorefile', () => {
  const files = { Dockerfile: 'FROM scratch\nCOPY . /\n', keep: '1', drop: '2', other: '3' };

  async function copied(...flags: string[]): Promise<string[]> {
    const root = tempDir();
    writeTree(root, { ...files, '.dockerignore': 'other\nDockerfile\n.dockerignore\n' });
    const { wiac } = machine();
    const directory = join(tempDir(), 'out');
    const { exitCode, stderr } = await wiac(['build', '-o', directory, ...flags, root]);
    if (exitCode !== 0) throw new Error(stderr);
    return (await execa('ls', ['-A', directory])).stdout.split('\n');
  }

  test('takes the place of .dockerignore', async () => {
    const file = join(tempDir(), 'patterns');
    writeFileSync(file, 'drop\nDockerfile\n.dockerignore\n');
    expect(await copied()).toEqual(['drop', 'keep']);
    expect(await copied('--ignorefile', file)).toEqual(['keep', 'other']);
    const all = ['.dockerignore', 'Dockerfile', 'drop', 'keep', 'other'];
    expect(await copied('--ignorefile', '/dev/null')).toEqual(all);
  });

  test('of a context from elsewhere too, and in --check', async () => {
    const root = tempDir();
    writeTree(root, { ...files, Dockerfile: 'FROM scratch\nCOPY drop /\n' });
    const archive = join(tempDir(), 'context.tar');
    await execa('tar', ['-C', root, '-cf', archive, '.']);
    const file = join(tempDir(), 'patterns');
    writeFileSync(file, 'drop\n');
    const { wiac } = machine();
    expect(await wiac(['build', archive])).toMatchObject({ exitCode: 0 });
    expect(await wiac(['build', '--ignorefile', file, archive])).toMatchObject({ exitCode: 4 });
    const check = await wiac(['build', '--check', '--ignorefile', file, root]);
    expect(check.stdout).toContain('CopyIgnoredFile');
    const missing = await wiac(['build', '--ignorefile', `${file}.not`, root]);
    expect(missing).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--ignorefile') });
  });
});

describe("podman's names", () => {
  /** What is copied of a context with these files, from a directory and from an archive. */
  async function copied(files: Readonly<Record<string, string>>): Promise<string[][]> {
    const root = tempDir();
    writeTree(root, files);
    const archive = join(tempDir(), 'context.tar');
    await execa('tar', ['-C', root, '-cf', archive, '.']);
    const { wiac } = machine();
    return Promise.all(
      [root, archive].map(async (path) => {
        const directory = join(tempDir(), 'out');
        const { exitCode, stderr } = await wiac(['build', '-o', directory, path]);
        if (exitCode !== 0) throw new Error(stderr);
        return (await execa('ls', ['-A', directory])).stdout.split('\n');
      }),
    );
  }

  const text = 'FROM scratch\nCOPY [a-c] /\n';
  const files = { a: '1', b: '2', c: '3', '.containerignore': 'a\n' };

  test('a Containerfile with its .containerignore', async () => {
    expect(await copied({ Containerfile: text, ...files })).toEqual([
      ['b', 'c'],
      ['b', 'c'],
    ]);
  });

  test("Docker's come first, and a Dockerfile has no .containerignore", async () => {
    const both = { Containerfile: 'FROM nosuch.invalid/x\n', Dockerfile: text };
    expect(await copied({ ...both, ...files })).toEqual([
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
    ]);
    const ignored = { Containerfile: text, '.dockerignore': 'b\n' };
    expect(await copied({ ...ignored, ...files })).toEqual([
      ['a', 'c'],
      ['a', 'c'],
    ]);
  });
});

describe('build arguments', () => {
  const root = () =>
    context({ Dockerfile: dockerfile('ARG A', 'ARG B', 'ARG C', 'RUN echo "$A/$B/$C"') });

  test('--build-arg-file comes before --build-arg, as with buildah', async () => {
    const file = join(tempDir(), 'argfile.conf');
    writeFileSync(file, '# comment\n\nA=1\nB=two words \r\n  C=3\n');
    const { build, wiac } = machine();
    const flags = ['--build-arg=C=command line', '--build-arg-file', file];
    const { events } = await build(root(), ...flags);
    expect(getOutput(events)).toEqual(['1/two words /command line']);
    const missing = await wiac(['build', '--build-arg-file', `${file}.not`, root()]);
    expect(missing).toMatchObject({ exitCode: 2 });
  });

  test('--http-proxy: those of the environment, in no key', async () => {
    const { build, wiac } = machine();
    const proxied = context({ Dockerfile: dockerfile('RUN echo "proxy: $http_proxy"') });
    const env = { http_proxy: 'http://proxy.invalid:1' };
    const run = async (...flags: string[]) =>
      (await wiac(['build', '--no-cache', ...flags, proxied], { env })).stderr;
    expect(await run('--http-proxy')).toContain('proxy: http://proxy.invalid:1');
    for (const flags of [[], ['--http-proxy=false']])
      expect(await run(...flags)).not.toContain('proxy: http');
    expect(ranSteps((await build(proxied, '--http-proxy')).events)).toEqual([]);
  });
});

describe('--os, --arch, --variant', () => {
  test('are the parts of --platform', async () => {
    const { wiac } = machine();
    const root = context({ Dockerfile: 'FROM scratch\nCOPY bin /bin\n' });
    const platform = async (...flags: string[]) => {
      const { stdout } = await wiac(['plan', '--format=json', ...flags, root]);
      return JSON.parse(stdout).platform;
    };
    expect(await platform('--arch=arm64')).toBe('linux/arm64');
    expect(await platform('--os=linux', '--arch=arm', '--variant=v6')).toBe('linux/arm/v6');
    const both = await wiac(['build', '--arch=arm64', '--platform=linux/arm64', root]);
    expect(both).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--platform') });
  });

  test('--platform can be given again', async () => {
    const { wiac } = machine();
    const root = context({ Dockerfile: 'FROM scratch\nCOPY bin /bin\n' });
    const flags = ['--platform=linux/amd64', '--platform', 'linux/arm64'];
    const { stdout } = await wiac(['build', '-q', ...flags, root]);
    expect(stdout.trim().split('\n')).toHaveLength(2);
  });
});

describe('--logfile', () => {
  test('has the progress, standard output the result, as with buildah', async () => {
    const { wiac } = machine();
    const root = context({ Dockerfile: dockerfile('RUN echo said by the step') });
    const log = join(tempDir(), 'log');
    writeFileSync(log, 'of the day before\n');
    const { stdout, stderr, exitCode } = await wiac(['build', '--logfile', log, root]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toContain('/l/');
    const text = readFileSync(log, 'utf8');
    expect(text).toContain('said by the step');
    expect(text).not.toContain('of the day before');
    await wiac(['build', '--no-cache', '--progress=json', '--logfile', log, root]);
    const events = readFileSync(log, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events.at(-1)).toMatchObject({ type: 'built' });

    const buildahLog = join(tempDir(), 'log');
    writeFileSync(buildahLog, 'of the day before\n');
    const flags = ['build', '--isolation=chroot', '--logfile', buildahLog, root];
    await execa('buildah', [...buildahStorage('vfs'), ...flags]);
    expect(readFileSync(buildahLog, 'utf8')).toContain('said by the step');
    expect(readFileSync(buildahLog, 'utf8')).not.toContain('of the day before');
  });
});

test.each(['--logfile', '--iidfile', '--metadata-file'])(
  '%s that cannot be written is an error before the build',
  async (option) => {
    const root = context({ Dockerfile: dockerfile('RUN echo said by the step') });
    const refused = await machine().wiac(['build', option, '/nonexistent/file', root]);
    expect(refused).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: `wiac: ${option} /nonexistent/file: it cannot be written: there is no directory /nonexistent
hint: give a file in a directory that is there
`,
    });
  },
);

test('--build-context with a name alone is an error, also where a variable is called so', async () => {
  const options = { env: { other: '/' } };
  const refused = await machine().wiac(['build', '--build-context', 'other', '.'], options);
  expect(refused.exitCode).toBe(2);
  expect(refused.stderr).toContain('--build-context other: it says no place\nhint: write ');
});
