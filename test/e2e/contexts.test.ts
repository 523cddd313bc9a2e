/** Build contexts that are no directory: archives, standard input, the web, repositories. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { getMachine, wiacAs } from '../support/rootless.js';
import { warmMachines } from '../support/warm-command.js';
import type { WebServer } from '../support/web-server.js';
import { repository, serveFiles } from '../support/web-server.js';
import type { Machine, Result, RunOptions } from '../support/wiac.js';
import { tempDir, WIAC, writeTree } from '../support/wiac.js';

const machine = warmMachines();

let server: WebServer | undefined;
afterEach(() => server?.stop());

const FILES = {
  Dockerfile: 'FROM scratch\nCOPY . /x/\n',
  '.dockerignore': 'left-out\n.dockerignore\n*ockerfile*\n',
  file: 'content',
  'd/below': 'more',
  'left-out': 'nothing to see',
};

/** A directory that holds `context` and archives of it, and a machine that has built it. */
async function prepare(files: Readonly<Record<string, string>> = FILES) {
  const root = tempDir();
  const context = join(root, 'context');
  writeTree(context, files);
  // For a web server of the test; the modes are those that git gives.
  await execa('chmod', ['-R', 'u=rwX,go=rX', context]);
  const pack = async (name: string, ...flags: string[]) => {
    await execa('tar', ['-C', context, ...flags, '-cf', join(root, name), '.']);
    return join(root, name);
  };
  const made = machine();
  const { lowerdirs } = await made.build(context);
  return { root, context, pack, made, lowerdirs };
}

/** Nothing of a fetched context stays. */
function expectSwept({ root }: Machine): void {
  expect(readdirSync(join(root, 'tmp'))).toEqual([]);
}

/** Resolves when a context is on its way. */
async function fetching({ root }: Machine, name: string): Promise<void> {
  for (;;) {
    try {
      const [directory = ''] = readdirSync(join(root, 'tmp'));
      if (statSync(join(root, 'tmp', directory, 'context-1', name))) return;
    } catch {
      // Not yet there.
    }
    await new Promise((resume) => setTimeout(resume, 20));
  }
}

function expectCached({ exitCode, stdout, stderr }: Result, lowerdirs: string): void {
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  expect(stdout.trim()).toBe(lowerdirs);
  expect(stderr).toContain('1 step cached, 0 run');
}

describe('an archive', () => {
  test.each([
    ['plain', []],
    ['gzip', ['-z']],
    ['bzip2', ['-j']],
    ['xz', ['-J']],
    ['zstd', ['--zstd']],
  ])('%s has the keys of the directory, as a file and on standard input', async (name, flags) => {
    const { pack, made, lowerdirs } = await prepare();
    const archive = await pack(name, ...flags);
    expectCached(await made.wiac(['build', archive]), lowerdirs);
    const input = readFileSync(archive);
    expectCached(await made.wiac(['build', '-'], { input }), lowerdirs);
    const plan = await made.wiac(['plan', '--format=json', '-'], { input });
    expect(JSON.parse(plan.stdout).steps.at(-1).status).toBe('hit');
    expect((await made.wiac(['why', '-'], { input })).stdout).toBe('every step is in the cache\n');
    expectSwept(made);
  });

  test('of a pipe', async () => {
    const { context, made, lowerdirs } = await prepare();
    const script = `exec ${process.execPath} ${WIAC} build <(tar -C ${context} -cz .)`;
    const built = await execa('bash', ['-c', script], { env: { WIAC_ROOT: made.root } });
    expect(built.stdout).toBe(lowerdirs);
  });

  test('-f names a Dockerfile in it, whose own ignore file counts', async () => {
    const { pack, made } = await prepare({
      ...FILES,
      'sub/other.Dockerfile': 'FROM scratch\nCOPY . /x/\n',
      'sub/other.Dockerfile.dockerignore': '*\n!d\n',
    });
    const input = readFileSync(await pack('a', '-z'));
    const built = await made.wiac(['build', '-f', 'sub/other.Dockerfile', '-'], { input });
    expect(built).toMatchObject({ exitCode: 0 });
    expect(readdirSync(join(built.stdout.trim(), 'x'))).toEqual(['d']);
    const missing = await made.wiac(['build', '-f', 'sub/nosuch', '-'], { input });
    expect(missing).toMatchObject({
      exitCode: 4,
      stderr: expect.stringContaining('there is no sub/nosuch in standard input'),
    });
    expectSwept(made);
  });

  test('an absolute -f is a file of this machine', async () => {
    const { pack, made, context } = await prepare();
    const file = join(tempDir(), 'my');
    writeFileSync(file, 'FROM scratch\nCOPY file /only\n');
    const { exitCode, stdout } = await made.wiac(['build', '-f', file, await pack('a')]);
    expect(exitCode).toBe(0);
    expect(readdirSync(stdout.trim())).toEqual(['only']);
    expect(readFileSync(join(context, 'file'), 'utf8')).toBe('content');
  });

  test.each([
    ['cut off', (bytes: Buffer) => bytes.subarray(0, -40), /can't be unpacked/],
    [
      'no archive',
      () => Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0]),
      /compressed \(gzip\), but no tar/,
    ],
  ])('that is damaged: %s', async (_, damage, message) => {
    const { pack, made } = await prepare();
    const input = damage(readFileSync(await pack('a', '-z')));
    const { exitCode, stderr } = await made.wiac(['build', '-'], { input });
    expect({ exitCode, stderr }).toEqual({ exitCode: 4, stderr: expect.stringMatching(message) });
    expectSwept(made);
  });

  test('larger than the limit', async () => {
    const { pack, made } = await prepare({ ...FILES, large: '0'.repeat(1 << 20) });
    const env = { WIAC_MAX_LAYER_BYTES: '100K' };
    const { exitCode, stderr } = await made.wiac(['build', await pack('a', '-z')], { env });
    expect([exitCode, stderr]).toEqual([4, expect.stringContaining('larger than')]);
    expectSwept(made);
  });
});

describe('standard input', () => {
  test('a Dockerfile without a context', async () => {
    const made = machine();
    const input = 'FROM scratch\nCOPY <<EOF /a\ntext\nEOF\n';
    const { exitCode, stdout } = await made.wiac(['build', '-'], { input });
    expect(exitCode).toBe(0);
    expect(readFileSync(join(stdout.trim(), 'a'), 'utf8')).toBe('text\n');
    const copies = await made.wiac(['build', '-'], { input: 'FROM scratch\nCOPY a /\n' });
    expect(copies).toMatchObject({
      exitCode: 4,
      stderr: expect.stringContaining('Dockerfile (standard input):2'),
    });
    const check = await made.wiac(['build', '--check', '-'], { input: 'from scratch\nCOPY a /\n' });
    expect(check.stdout).toContain('ConsistentInstructionCasing');
    expectSwept(made);
  });

  test('a Dockerfile for a context', async () => {
    const { context, made, lowerdirs, pack } = await prepare();
    const input = FILES.Dockerfile;
    expectCached(await made.wiac(['build', '-f', '-', context], { input }), lowerdirs);
    expectCached(await made.wiac(['build', '-f-', await pack('a')], { input }), lowerdirs);
  });

  test.each([
    ['nothing', ['-'], '', 4, 'standard input is empty'],
    ['twice', ['-f', '-', '-'], 'FROM scratch\n', 2, "can't be both"],
    ['two Dockerfiles', ['-f', 'Dockerfile', '-'], 'FROM scratch\n', 2, 'two Dockerfiles'],
  ])('%s', async (_, args, input, code, message) => {
    const { exitCode, stderr } = await machine().wiac(['build', ...args], { input });
    expect([exitCode, stderr]).toEqual([code, expect.stringContaining(message)]);
    expect(stderr).not.toContain('-/Dockerfile');
  });

  test.each([
    ['SIGTERM', 143],
    ['SIGKILL', undefined],
  ] as const)('%s while it is waited for: nothing stays', async (signal, code) => {
    const made = machine();
    const running = execa(process.execPath, [WIAC, 'build', '-'], {
      reject: false,
      env: { WIAC_ROOT: made.root },
      stdin: 'pipe',
    });
    running.stdin?.write('FROM scratch\n');
    await fetching(made, 'stream');
    running.kill(signal);
    expect((await running).exitCode).toBe(code);
    // After a killed one the next clears up.
    if (signal === 'SIGKILL') await made.wiac(['build', '-'], { input: 'FROM scratch\n' });
    expectSwept(made);
  });
});

test('a file that is no archive is no context', async () => {
  const { context, made } = await prepare();
  const { exitCode, stderr } = await made.wiac(['build', join(context, 'Dockerfile')]);
  expect([exitCode, stderr]).toEqual([4, expect.stringContaining('is a file, but no archive')]);
});

describe('the web', () => {
  test('an archive, and a Dockerfile', async () => {
    const { root, pack, made, lowerdirs } = await prepare();
    await pack('a.bin', '-z');
    writeFileSync(join(root, 'plain'), 'FROM scratch\nCOPY <<EOF /a\ntext\nEOF\n');
    server = await serveFiles(root);
    const url = `http://${server.host}`;
    expectCached(await made.wiac(['build', `${url}/a.bin`]), lowerdirs);
    const plain = await made.wiac(['build', `${url}/plain`]);
    expect(readdirSync(plain.stdout.trim())).toEqual(['a']);
    const missing = await made.wiac(['build', `${url}/nosuch`]);
    expect([missing.exitCode, missing.stderr]).toEqual([4, expect.stringContaining('404')]);
    expectSwept(made);
  });

  test('-f URL', async () => {
    const { context, made, lowerdirs } = await prepare();
    server = await serveFiles(context);
    const file = `http://${server.host}/Dockerfile`;
    expectCached(await made.wiac(['build', '-f', file, context]), lowerdirs);
    const git = await made.wiac(['build', '-f', `${file}.git`, context]);
    expect([git.exitCode, git.stderr]).toEqual([2, expect.stringContaining('is no file')]);
  });
});

describe('a repository', () => {
  const OTHER = { 'sub/Dockerfile': 'FROM scratch\nCOPY here /\n', 'sub/here': 'in sub' };

  test('as a whole, a directory of a ref, and the query form', async () => {
    const { made, lowerdirs } = await prepare();
    const { root, git } = await repository({
      ...FILES,
      ...OTHER,
      '.dockerignore': `${FILES['.dockerignore']}sub\n`,
    });
    await git('tag', 'v1');
    await git('push', '-q', '--tags', '../r.git');
    const url = `file://${root}/r.git`;
    expectCached(await made.wiac(['build', url]), lowerdirs);
    for (const address of [`${url}#v1:sub`, `${url}?tag=v1&subdir=sub`]) {
      const { exitCode, stdout, stderr } = await made.wiac(['build', address]);
      expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
      expect(readFileSync(join(stdout.trim(), 'here'), 'utf8')).toBe('in sub');
    }
    const file = await made.wiac(['build', '-f', 'sub/Dockerfile', url]);
    expect([file.exitCode, file.stderr]).toEqual([
      4,
      expect.stringContaining(`sub/Dockerfile (${url}):2`),
    ]);
    expectSwept(made);
  });

  test('.git is there when it is asked for', async () => {
    const made = machine();
    const { root } = await repository({ Dockerfile: 'FROM scratch\nCOPY .git/HEAD /\n' });
    const url = `file://${root}/r.git`;
    expect((await made.wiac(['build', url])).exitCode).toBe(4);
    for (const args of [
      [`${url}?keep-git-dir=true`],
      ['--build-arg=BUILDKIT_CONTEXT_KEEP_GIT_DIR=1', url],
    ]) {
      const { exitCode, stdout, stderr } = await made.wiac(['build', ...args]);
      expect({ exitCode, stderr }).toEqual({
        exitCode: 0,
        stderr: expect.not.stringContaining('warning'),
      });
      expect(readdirSync(stdout.trim())).toEqual(['HEAD']);
    }
  });

  test.each(['http_proxy', 'HTTP_PROXY'])('through %s', async (name) => {
    const { made, lowerdirs } = await prepare();
    server = await serveFiles((await repository(FILES)).root);
    const env = { [name]: `http://${server.host}` };
    const built = await made.wiac(['build', 'http://repository.invalid/r.git'], { env });
    expectCached(built, lowerdirs);
  });

  test.each([
    ['#nosuch', 4, 'has no branch or tag nosuch'],
    ['?nosuch=1', 2, 'there is no nosuch in the query'],
    ['#main:nosuch', 4, 'nosuch is not there'],
  ])('%s', async (suffix, code, message) => {
    const made = machine();
    const { root } = await repository(FILES);
    const { exitCode, stderr } = await made.wiac(['build', `file://${root}/r.git${suffix}`]);
    expect([exitCode, stderr]).toEqual([code, expect.stringContaining(message)]);
    expectSwept(made);
  });
});

describe('--build-context', () => {
  const DOCKERFILE = 'FROM scratch\nCOPY --from=other . /x/\n';
  const build = (made: Machine, value: string, options: RunOptions = {}) => {
    const root = tempDir();
    writeTree(root, { Dockerfile: DOCKERFILE });
    return made.wiac(['build', `--build-context=other=${value}`, root], options);
  };

  test('a directory, an archive, standard input, the web and a repository are one', async () => {
    const { root, context, pack, made } = await prepare();
    const archive = await pack('a.tar.gz', '-z');
    server = await serveFiles(root);
    const first = await build(made, context);
    expect(readdirSync(join(first.stdout.trim(), 'x'))).toEqual(['d', 'file']);
    const repo = await repository(FILES);
    const input = readFileSync(archive);
    const more = [
      await build(made, archive),
      await build(made, '-', { input }),
      await build(made, `http://${server.host}/a.tar.gz`),
      await build(made, `file://${repo.root}/r.git`),
    ];
    for (const result of more) expectCached(result, first.stdout.trim());
    expectSwept(made);
  });

  test('a file of the web is alone in its context', async () => {
    const { root, made } = await prepare();
    server = await serveFiles(root);
    const { stdout } = await build(made, `http://${server.host}/context/file`);
    expect(readdirSync(join(stdout.trim(), 'x'))).toEqual(['file']);
  });

  test('a signal while it is fetched: nothing stays', async () => {
    const made = machine();
    const root = tempDir();
    writeTree(root, { Dockerfile: DOCKERFILE });
    const running = execa(process.execPath, [WIAC, 'build', '--build-context=other=-', root], {
      reject: false,
      env: { WIAC_ROOT: made.root },
      stdin: 'pipe',
    });
    await fetching(made, 'stream');
    running.kill('SIGINT');
    expect((await running).exitCode).toBe(130);
    expectSwept(made);
  });

  test('what no step reads is not fetched', async () => {
    const root = tempDir();
    writeTree(root, { Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' });
    server = await serveFiles(root);
    const flag = `--build-context=other=http://${server.host}/nosuch`;
    expect(await machine().wiac(['build', flag, root])).toMatchObject({ exitCode: 0 });
    expect(server.seen).toEqual([]);
  });
});

test('an ordinary user, in a user namespace and outside of it', async () => {
  const { pack } = await prepare();
  const archive = await pack('a.tar.gz', '-z');
  await execa('chmod', ['755', dirname(archive)]);
  const made = getMachine('ordinary');
  const input = `exec < ${archive}`;
  const { exitCode, stderr } = await wiacAs(made, ['build', '-'], input);
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  const plan = await wiacAs(made, ['plan', '--format=json', '-'], input);
  expect(JSON.parse(plan.stdout).steps.at(-1).status).toBe('hit');
  expect(readdirSync(join(made.root, 'tmp'))).toEqual([]);
});

test('several platforms read standard input once', async () => {
  const { pack, made } = await prepare();
  const input = readFileSync(await pack('a'));
  const { exitCode, stdout } = await made.wiac(
    ['build', '--platform=linux/amd64,linux/arm64', '-'],
    { input },
  );
  expect(exitCode).toBe(0);
  expect(stdout.trim().split('\n')).toHaveLength(2);
});
