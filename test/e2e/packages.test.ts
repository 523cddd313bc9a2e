/**
 * What `npm run package` makes, installed and used in a Debian that has nothing else: the standalone
 * executable, the Debian package, and npm's archive beside a Node.
 */
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { readElf } from '../../src/libs/elf.js';
import { addContext, copyRoot, makeDebianRoot, runIn } from '../support/clean-rootfs.js';
import { installCommands, makePackages } from '../support/packages.js';
import { ORDINARY_UID, ordinaryUser } from '../support/rootless.js';
import { context, dockerfile, tempDir } from '../support/wiac.js';

const HOOK_MS = 300_000;

/** Linux shows this number for users who have none in a user namespace, too. */
const NOBODY = 65534;

/** A user who is not root and not the one that wiac works for. */
const STRANGER = 1234;

/** Of lmdb. */
const PAGE = 4096;

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const DEBIAN = `wiac_${version}_${process.arch === 'x64' ? 'amd64' : 'arm64'}.deb`;

/** Not tempDir(): it is kept from one test to the next. */
let home: string;
let packages: string;
let debian: string;
let executable: string;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'wiac-packages-'));
  debian = join(home, 'debian');
  const made = makePackages(join(home, 'packages'), process.arch);
  await makeDebianRoot(debian);
  packages = await made;
  executable = join(packages, `wiac-${process.arch}`);
}, HOOK_MS);
afterAll(() => rmSync(home, { recursive: true, force: true }));

const [installFile = '', installDebian = '', installNpm = ''] = installCommands();

/** A clean root with a context at /context, and a file of the packages at /packages. */
async function cleanRoot(file?: string): Promise<string> {
  const root = join(tempDir(), 'root');
  await copyRoot(debian, root);
  addContext(root);
  mkdirSync(join(root, 'packages'));
  if (file !== undefined) cpSync(join(packages, file), join(root, 'packages', file));
  return root;
}

/** Builds and runs in a root where `wiac` is installed. */
async function useIn(root: string): Promise<void> {
  const said = await runIn(root, 'wiac', '--version');
  expect(said).toMatchObject({ exitCode: 0, stdout: version, stderr: '' });
  const built = await runIn(root, 'wiac', 'build', '-q', '-t', 'image', '/context');
  expect(built).toMatchObject({ exitCode: 0, stderr: '' });
  const run = await runIn(root, 'wiac', 'run', 'image', '/bin/sh', '-c', 'read a < /file; echo $a');
  expect(run).toMatchObject({ exitCode: 0, stdout: 'hello', stderr: '' });
  // Threads that compress, what is loaded late, and the page that reports are made of.
  const push = ['push', 'image', 'oci-layout:///layout:image'];
  expect(await runIn(root, 'wiac', ...push)).toMatchObject({ exitCode: 0 });
  const report = ['build', '-q', '--report', '/report.html', '/context'];
  expect(await runIn(root, 'wiac', ...report)).toMatchObject({ exitCode: 0 });
  expect(readFileSync(join(root, 'report.html'), 'utf8')).toContain('RUN echo hello');
}

test('the executable alone is all that a Debian needs', async () => {
  const root = await cleanRoot(basename(executable));
  expect(await runIn(root, 'sh', '-ec', installFile)).toMatchObject({ exitCode: 0 });
  rmSync(join(root, 'packages'), { recursive: true });
  await useIn(root);
  const cache = join(root, 'var/cache/wiac');
  expect(statSync(cache).mode & 0o777).toBe(0o700);
  expect(readdirSync(cache)).toEqual([expect.stringMatching(/^parts-[0-9a-f]{16}$/)]);
});

test('the Debian package brings the command, its pages and completions', async () => {
  const root = await cleanRoot(DEBIAN);
  // What is recommended need not be there.
  expect(await runIn(root, 'sh', '-ec', installDebian)).toMatchObject({ exitCode: 0 });
  await useIn(root);
  // It has the files that need a path: none is written elsewhere.
  expect(existsSync(join(root, 'var/cache/wiac'))).toBe(false);
  const user = ['--reuid=12345', '--regid=12345', '--clear-groups'];
  // Were the files that need a path not found, they could be written nowhere.
  const env = [
    'HOME=/home/user',
    'TMPDIR=/none',
    'XDG_CACHE_HOME=/none',
    'WIAC_ROOT=/home/user/store',
  ];
  mkdirSync(join(root, 'home/user'), { recursive: true });
  chownSync(join(root, 'home/user'), 12345, 12345);
  const words = ['setpriv', ...user, 'env', ...env, 'wiac', 'build', '-q', '/context'];
  expect(await runIn(root, ...words)).toMatchObject({ exitCode: 0, stderr: '' });
  expect(readdirSync(join(root, 'home/user'))).toEqual(['store']);
  const share = (path: string) => readFileSync(join(root, 'usr/share', path));
  expect(gunzipSync(share('man/man1/wiac-build.1.gz'))).toEqual(readFileSync('dist/wiac-build.1'));
  const pages = readdirSync(join(root, 'usr/share/man/man1'));
  const own = readdirSync('dist').filter((name) => name.endsWith('.1'));
  expect(pages).toEqual(expect.arrayContaining(own.map((name) => `${name}.gz`)));
  expect(share('bash-completion/completions/wiac').toString()).toContain('complete -F _wiac wiac');
  expect(share('zsh/vendor-completions/_wiac').toString()).toMatch(/^#compdef wiac\n/);
  expect(share('fish/vendor_completions.d/wiac.fish').toString()).toContain('complete -c wiac');
  expect(share('doc/wiac/copyright').toString()).toContain('License: Expat');
  const { stdout } = await execa('dpkg-deb', ['-f', join(packages, DEBIAN)]);
  expect(stdout).toContain('Recommends: passt | slirp4netns, uidmap');
  expect(await runIn(root, 'dpkg', '--verify', 'wiac')).toMatchObject({ exitCode: 0, stdout: '' });
  expect(await runIn(root, 'dpkg', '--purge', 'wiac')).toMatchObject({ exitCode: 0 });
  expect(existsSync(join(root, 'usr/lib/wiac'))).toBe(false);
});

test("npm's archive works beside a Node, and holds no source map", async () => {
  const root = await cleanRoot();
  const archive = join(packages, `wiac-${version}.tgz`);
  const prefix = join(root, 'usr/local');
  // There is no npm in the root: this machine's puts it there.
  const env = { npm_config_prefix: prefix, npm_config_prefer_offline: 'true' };
  await execa('sh', ['-ec', installNpm], { cwd: home, env });
  cpSync(realpathSync(process.execPath), join(prefix, 'bin/node'));
  await useIn(root);
  const { stdout } = await execa('tar', ['-tzf', archive]);
  const names = stdout.split('\n');
  expect(names.filter((name) => /\.(map|compiled)$/.test(name))).toEqual([]);
  for (const name of ['wiac.cjs', 'main.cjs', 'wiac-sys-x64', 'wiac-sys-arm64'])
    expect(names).toContain(`package/dist/${name}`);
});

test('the same sources and time give the same bytes', async () => {
  const again = await makePackages(join(tempDir(), 'again'), process.arch);
  const sums = (directory: string) => readFileSync(join(directory, 'SHA256SUMS'), 'utf8');
  expect(sums(again)).toBe(sums(packages));
  expect(sums(again).match(/^[0-9a-f]{64} {2}\S+$/gm)).toHaveLength(3);
});

test(
  'for another processor there is one as well',
  async () => {
    const other = process.arch === 'x64' ? 'arm64' : 'x64';
    const [emulator, triplet] =
      other === 'arm64'
        ? ['qemu-aarch64', 'aarch64-linux-gnu']
        : ['qemu-x86_64', 'x86_64-linux-gnu'];
    const flags = ['--without-compiled-code', '--without-archive'];
    const to = await makePackages(join(tempDir(), 'other'), other, ...flags);
    const program = join(to, `wiac-${other}`);
    const machine = other === 'arm64' ? 183 : 62;
    expect(readElf(program)?.machine).toBe(machine);
    const cache = tempDir();
    const env = { XDG_CACHE_HOME: cache, WIAC_ROOT: join(tempDir(), 'store') };
    const emulated = (...words: string[]) =>
      execa(emulator, ['-L', `/usr/${triplet}`, program, ...words], { env, reject: false });
    expect(await emulated('--version')).toMatchObject({ exitCode: 0, stdout: version });
    const directory = context({ Dockerfile: dockerfile('RUN true') });
    const outline = await emulated('build', '--call=outline', directory);
    expect(outline).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('TARGET:') });
    // What it has written is for that processor.
    const [parts = ''] = readdirSync(join(cache, 'wiac'));
    for (const name of ['node.napi.glibc.node', `wiac-sys-${other}`])
      expect(readElf(join(cache, 'wiac', parts, name))?.machine).toBe(machine);
  },
  HOOK_MS,
);

describe('the executable starts itself once more', () => {
  const directory = () => context({ Dockerfile: dockerfile('RUN echo hello > /file') });

  test('in a user namespace, for a user who is not root', async () => {
    const user = ordinaryUser();
    const program = join(user.home, 'wiac');
    cpSync(executable, program);
    const readable = directory();
    chmodSync(readable, 0o755);
    const wiac = async (...words: string[]) => {
      const [first = '', ...rest] = [...user.command, program, ...words];
      return execa(first, rest, { env: user.env, cwd: '/', reject: false });
    };
    const built = await wiac('build', '-q', '-t', 'image', readable);
    expect(built).toMatchObject({ exitCode: 0, stderr: '' });
    // Words that Node would take for its own options go to the program.
    const run = await wiac('run', 'image', '/bin/cat', '--', '/file');
    expect(run).toMatchObject({ exitCode: 0, stdout: 'hello', stderr: '' });
    const cache = join(user.home, '.cache/wiac');
    const [parts = '', ...more] = readdirSync(cache);
    expect(more).toEqual([]);
    expect(statSync(join(cache, parts))).toMatchObject({ uid: ORDINARY_UID, gid: ORDINARY_UID });
  });

  test('when the index is damaged', async () => {
    const store = join(tempDir(), 'store');
    const env = { XDG_CACHE_HOME: tempDir(), WIAC_ROOT: store };
    const path = directory();
    const build = () => execa(executable, ['build', '-q', path], { env, reject: false });
    const before = await build();
    expect(before.exitCode).toBe(0);
    // lmdb finds these pages when it looks something up, which ends the first process.
    const index = join(store, 'index/data.mdb');
    const meta = readFileSync(index).subarray(0, 2 * PAGE);
    writeFileSync(index, Buffer.concat([meta, Buffer.alloc(statSync(index).size - 2 * PAGE)]));
    expect(await build()).toMatchObject({ exitCode: 0, stdout: before.stdout });
  });
});

describe('the files that the executable writes', () => {
  /** Where it keeps them, and a command that needs two of them. */
  function withCache(cache: string) {
    const directory = context({ Dockerfile: dockerfile('RUN echo hello > /file') });
    const env = { XDG_CACHE_HOME: cache, WIAC_ROOT: join(tempDir(), 'store') };
    return async () => {
      const built = await execa(executable, ['build', '-q', directory], { env, reject: false });
      expect(built).toMatchObject({ exitCode: 0, stderr: '' });
    };
  }

  /** The one directory of them. */
  function partsBelow(cache: string): string {
    const [name = '', ...more] = readdirSync(join(cache, 'wiac'));
    expect(more).toEqual([]);
    return join(cache, 'wiac', name);
  }

  test('are for the user alone, and one that is damaged is written again', async () => {
    const cache = tempDir();
    const build = withCache(cache);
    await build();
    const parts = partsBelow(cache);
    expect(lstatSync(parts)).toMatchObject({ uid: process.getuid?.() });
    expect(lstatSync(parts).mode & 0o777).toBe(0o700);
    const { ino } = statSync(parts);
    await build();
    expect(statSync(parts).ino).toBe(ino);
    const program = join(parts, `wiac-sys-${process.arch}`);
    const content = readFileSync(program);
    writeFileSync(program, '#!/bin/sh\ntouch /tmp/wiac-was-here\n');
    await build();
    expect(readFileSync(program)).toEqual(content);
    expect(statSync(partsBelow(cache)).ino).not.toBe(ino);
  });

  test.each([
    ['is open to others', (parts: string) => chmodSync(parts, 0o777)],
    ['is of another user', (parts: string) => chownSync(parts, STRANGER, STRANGER)],
  ])('are written anew where their directory %s', async (_what, spoil) => {
    const cache = tempDir();
    const build = withCache(cache);
    await build();
    const { ino } = statSync(partsBelow(cache));
    spoil(partsBelow(cache));
    await build();
    const { ino: made, mode, uid } = statSync(partsBelow(cache));
    expect({ isOther: made !== ino, mode: mode & 0o777, uid }).toEqual({
      isOther: true,
      mode: 0o700,
      uid: process.getuid?.(),
    });
  });

  test.each([
    ['is of another user', (cache: string) => chownSync(cache, STRANGER, STRANGER)],
    ['is of nobody', (cache: string) => chownSync(cache, NOBODY, NOBODY)],
    ['is open to others', (cache: string) => chmodSync(cache, 0o777)],
    ['is a file', (cache: string) => writeFileSync(join(cache, 'wiac'), '')],
  ])('are for one command alone where the cache %s', async (_what, spoil) => {
    const cache = tempDir();
    const temporary = tempDir();
    spoil(cache);
    const trace = join(tempDir(), 'trace');
    const strace = ['-f', '-qq', '-e', 'trace=execve', '-o', trace, executable, 'cache', 'ls'];
    const env = { XDG_CACHE_HOME: cache, TMPDIR: temporary, WIAC_ROOT: join(tempDir(), 'store') };
    await execa('strace', strace, { env });
    const started = readFileSync(trace, 'utf8');
    expect(started).toMatch(new RegExp(`execve\\("${temporary}/wiac-[^/]*/wiac-sys-`));
    expect(started).not.toContain(`execve("${cache}`);
    expect(readdirSync(temporary)).toEqual([]);
  });

  test('are for one command alone where no program of the cache may be executed', async () => {
    const cache = tempDir();
    const temporary = tempDir();
    const script = 'mount -t tmpfs -o noexec,mode=700 none "$0" && "$@" && ls "$0/wiac"';
    const command = ['--mount', 'sh', '-ec', script, cache, executable, 'cache', 'ls'];
    const env = { XDG_CACHE_HOME: cache, TMPDIR: temporary, WIAC_ROOT: join(tempDir(), 'store') };
    const ran = await execa('unshare', command, { env, reject: false });
    expect(ran).toMatchObject({ exitCode: 0, stderr: '' });
    expect(readdirSync(temporary)).toEqual([]);
  });

  test('are not taken from a stranger by the process in a user namespace', async () => {
    const user = ordinaryUser();
    const program = join(user.home, 'wiac');
    cpSync(executable, program);
    const cache = tempDir();
    const trap = join(cache, 'wiac');
    await execa(program, ['--version'], { env: { XDG_CACHE_HOME: cache } });
    for (const path of [cache, trap, partsBelow(cache)]) chmodSync(path, 0o755);
    await execa('chown', ['-R', String(STRANGER), cache]);
    const trace = join(tempDir(), 'trace');
    const strace = ['-f', '-qq', '-e', 'trace=execve', '-o', trace, ...user.command];
    const env = { ...user.env, XDG_CACHE_HOME: cache };
    const options = { env, cwd: '/', reject: false };
    const path = context({ Dockerfile: dockerfile('RUN true') });
    chmodSync(path, 0o755);
    const built = await execa('strace', [...strace, program, 'build', '-q', path], options);
    expect(built).toMatchObject({ exitCode: 0, stderr: '' });
    const started = readFileSync(trace, 'utf8');
    expect(started).toMatch(/execve\("[^"]*\/wiac-[^/]*\/wiac-sys-/);
    expect(started).not.toContain(`execve("${trap}`);
  });

  test('are made for nobody who could lead root elsewhere', async () => {
    const home = tempDir();
    const other = tempDir();
    const env = { TMPDIR: tempDir() };
    chownSync(home, STRANGER, STRANGER);
    symlinkSync(other, join(home, 'link'));
    lchownSync(join(home, 'link'), STRANGER, STRANGER);
    for (const cache of ['link', 'new']) {
      const words = { env: { ...env, XDG_CACHE_HOME: join(home, cache) }, reject: false };
      expect((await execa(executable, ['--version'], words)).exitCode).toBe(0);
    }
    expect(readdirSync(other)).toEqual([]);
    expect(readdirSync(home)).toEqual(['link']);
  });

  test.each([
    ['is of another user', (path: string) => chownSync(path, STRANGER, STRANGER)],
    ['is open to others', (path: string) => chmodSync(path, 0o777)],
  ])('are not written where the temporary directory %s', async (_what, spoil) => {
    const temporary = tempDir();
    spoil(temporary);
    const env = { XDG_CACHE_HOME: '/proc/none', TMPDIR: temporary };
    const refused = await execa(executable, ['--version'], { env, reject: false });
    expect(refused).toMatchObject({ exitCode: 8, stderr: expect.stringContaining(temporary) });
    expect(readdirSync(temporary)).toEqual([]);
  });

  test.each([
    ['full', 'size=1m', 'ENOSPC'],
    ['mounted noexec', 'noexec', 'EACCES'],
  ])('leave nothing in a temporary directory that is %s', async (_what, option, reason) => {
    const temporary = tempDir();
    const script = `mount -t tmpfs -o ${option},mode=700 none "$0" && { "$@" || echo $?; ls -A "$0"; }`;
    const command = ['--mount', 'sh', '-ec', script, temporary, executable, '--version'];
    const env = { XDG_CACHE_HOME: '/proc/none', TMPDIR: temporary };
    const refused = await execa('unshare', command, { env, reject: false });
    expect(refused).toMatchObject({ stdout: '8', stderr: expect.stringContaining(reason) });
  });

  test('are written again after a process was killed that wrote them, and what that left is removed', async () => {
    const cache = tempDir();
    const [old, current] = ['old', 'new'].map((name) => join(cache, `wiac/.unfinished-${name}`));
    for (const path of [old ?? '', current ?? '']) mkdirSync(path, { recursive: true });
    const yesterday = Date.now() / 1000 - 86_400;
    utimesSync(old ?? '', yesterday, yesterday);
    chmodSync(join(cache, 'wiac'), 0o700);
    await execa(executable, ['--version'], { env: { XDG_CACHE_HOME: cache } });
    expect(readdirSync(join(cache, 'wiac')).sort()).toEqual([
      '.unfinished-new',
      expect.stringMatching(/^parts-/),
    ]);
  });

  test('are said to be missing where they can be written nowhere', async () => {
    const env = { XDG_CACHE_HOME: '/proc/none', TMPDIR: '/proc/none' };
    const refused = await execa(executable, ['--version'], { env, reject: false });
    expect(refused).toMatchObject({
      exitCode: 8,
      stderr: expect.stringMatching(
        /^wiac: .*can't be written anywhere.*\nhint: set XDG_CACHE_HOME/,
      ),
    });
  });
});
