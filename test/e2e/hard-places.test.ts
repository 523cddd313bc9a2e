/** Places where the system says no: each is told as what it is. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, tempDir, WIAC } from '../support/wiac.js';

const machine = warmMachines();

/** Does something with a new file system in a file. */
async function withDisk(
  mkfs: readonly string[],
  size: string,
  action: (path: string) => Promise<void>,
): Promise<void> {
  const directory = tempDir();
  const [image, path] = [join(directory, 'disk'), join(directory, 'mnt')];
  mkdirSync(path);
  await execa('truncate', ['-s', size, image]);
  await execa('mkfs.ext4', ['-q', '-F', ...mkfs, image]);
  await execa('mount', ['-o', 'loop', image, path]);
  try {
    await action(path);
  } finally {
    await execa('umount', [path]);
  }
}

test('a file system that does not keep types of files is refused, and nothing stays there', async () => {
  await withDisk(['-O', '^filetype'], '32M', async (path) => {
    const env = { WIAC_ROOT: join(path, 'store') };
    const root = context({ Dockerfile: dockerfile('RUN rm /bin/ls') });
    const { exitCode, stderr } = await machine().wiac(['build', root], { env });
    expect({ exitCode, stderr }).toEqual({
      exitCode: 7,
      stderr: expect.stringMatching(/has no file types in its directories[\s\S]*ftype=1/),
    });
    expect(existsSync(join(path, 'store/format-version'))).toBe(false);
  });
});

test.each(['layers', 'leases', 'records'])(
  'a store whose %s can not be written to',
  async (part) => {
    const { wiac, root: store } = machine();
    expect((await wiac(['cache', 'ls'])).exitCode).toBe(0);
    const root = context({ Dockerfile: dockerfile() });
    const script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"';
    const command = ['sh', '-c', script, 'sh', join(store, part), process.execPath, WIAC];
    const { exitCode, stderr } = await execa('unshare', ['--mount', ...command, 'build', root], {
      reject: false,
      env: { WIAC_ROOT: store },
    });
    expect({ exitCode, stderr }).toEqual({
      exitCode: 7,
      stderr: expect.stringMatching(/: the store \S+ can't be written to: E(XDEV|ROFS)/),
    });
  },
);

test('a store whose blobs are on another file system', async () => {
  const { wiac, root: store } = machine();
  const root = context({ Dockerfile: dockerfile() });
  expect((await wiac(['build', root])).exitCode).toBe(0);
  const script = 'mkdir "$1" && mount -t tmpfs none "$1" && shift && exec "$@"';
  const target = `type=oci,dest=${join(tempDir(), 'archive')}`;
  const command = ['sh', '-c', script, 'sh', join(store, 'blobs'), process.execPath, WIAC];
  const { exitCode, stderr } = await execa(
    'unshare',
    ['--mount', ...command, 'build', '-o', target, root],
    { reject: false, env: { WIAC_ROOT: store } },
  );
  expect({ exitCode, stderr }).toEqual({
    exitCode: 7,
    stderr: expect.stringMatching(/: the store \S+ can't be written to: EXDEV/),
  });
});

test('a new store where hardly any room is left is an error, not a signal', async () => {
  const directory = tempDir();
  const script =
    'mount -t tmpfs -o size=96k none "$1" && head -c "$2" /dev/zero > "$1/full" && shift 2 && exec "$@"';
  for (const pages of [1, 3, 10, 11]) {
    const used = String((24 - pages) * 4096);
    const command = ['sh', '-c', script, 'sh', directory, used, process.execPath, WIAC];
    const { exitCode, signal, stderr } = await execa(
      'unshare',
      ['--mount', ...command, 'cache', 'ls'],
      { reject: false, env: { WIAC_ROOT: join(directory, 'store') } },
    );
    expect({ pages, exitCode, signal, stderr }).toEqual({
      ...{ pages, exitCode: 6, signal: undefined },
      stderr: expect.stringContaining('no space left in the store'),
    });
  }
});

test('attributes that the file system of the store has no room for', async () => {
  await withDisk(['-O', '^ea_inode'], '32M', async (path) => {
    const env = { WIAC_ROOT: join(path, 'store') };
    const root = context({ Dockerfile: 'FROM scratch\nCOPY file /file\n' });
    const script = 'mount -t tmpfs none "$1" && cp -r "$2/." "$1" && shift 2 && exec "$@"';
    const set = 'setfattr -n user.large -v "$(printf %08000d 0)" "$1/file" && shift && exec "$@"';
    writeFileSync(join(root, 'file'), '');
    const seen = join(tempDir(), 'seen');
    mkdirSync(seen);
    const build = ['sh', '-c', set, 'sh', seen, process.execPath, WIAC, 'build', seen];
    const command = ['--mount', 'sh', '-c', script, 'sh', seen, root, ...build];
    const { exitCode, stderr } = await execa('unshare', command, { reject: false, env });
    expect({ exitCode, stderr }).toEqual({
      exitCode: 6,
      stderr: expect.stringMatching(
        /no space left for the extended attributes of \S*file\nhint: ext4/,
      ),
    });
  });
});

test('a step that fails on a full disk: its own message, and why', async () => {
  await withDisk([], '48M', async (path) => {
    const env = { WIAC_ROOT: join(path, 'store'), WIAC_SYNC: 'none' };
    const root = context({
      Dockerfile: dockerfile('RUN cat /dev/zero > /big 2>/dev/null || { echo quiet; false; }'),
    });
    const { exitCode, stderr } = await machine().wiac(['build', root], { env });
    expect({ exitCode, stderr }).toEqual({
      exitCode: 5,
      stderr: expect.stringMatching(/hint: the file system of the store is full/),
    });
    const other = context({ Dockerfile: dockerfile('RUN false') });
    const plain = await machine().wiac(['build', other], { env });
    expect(plain).toMatchObject({ exitCode: 5, stderr: expect.not.stringContaining('is full') });
    // What was made before it is kept, although there was no room for its entry at that time.
    expect(plain.stderr).toMatch(/^\[0 2\/3\] CACHED/m);
  });
});

test.each([
  ['-f 1000', 12, 'hint: allow more (ulimit -f unlimited)'],
  ['-v 4000000', 12, 'hint: allow more: ulimit -v unlimited'],
])('ulimit %s', async (flags, code, message) => {
  const root = context({ Dockerfile: dockerfile('RUN true') });
  const { exitCode, stderr } = await execa(
    'sh',
    ['-c', `ulimit ${flags} && exec "$@"`, 'sh', WIAC, 'build', root],
    { reject: false, env: { WIAC_ROOT: join(tempDir(), 'store') } },
  );
  expect({ exitCode, stderr }).toEqual({
    exitCode: code,
    stderr: expect.stringContaining(message),
  });
});

describe('few open files', () => {
  test.each([24, 30, 40, 63])('ulimit -n %i', async (limit) => {
    const root = context({ Dockerfile: dockerfile('RUN true') });
    const command = `ulimit -n ${limit} && exec "$@"`;
    const { exitCode, stderr } = await execa(
      'sh',
      ['-c', command, 'sh', process.execPath, WIAC, 'build', root],
      { reject: false, env: { WIAC_ROOT: join(tempDir(), 'store') } },
    );
    expect({ exitCode, stderr }).toEqual({
      exitCode: 12,
      stderr: expect.stringContaining(`may open ${limit} files here, wiac needs 64`),
    });
  });

  test('as many as it needs', async () => {
    const root = context({ Dockerfile: dockerfile('RUN true') });
    const { exitCode, stderr } = await execa(
      'sh',
      ['-c', 'ulimit -n 64 && exec "$@"', 'sh', process.execPath, WIAC, 'build', '--jobs=1', root],
      { reject: false, env: { WIAC_ROOT: join(tempDir(), 'store') } },
    );
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  });
});

test('small files alone (ulimit -f 10) are an error', async () => {
  const root = context({ Dockerfile: dockerfile('RUN true') });
  const { exitCode, stderr } = await execa(
    'sh',
    ['-c', 'ulimit -f 10 && exec "$@"', 'sh', process.execPath, WIAC, 'build', root],
    { reject: false, env: { WIAC_ROOT: join(tempDir(), 'store') } },
  );
  // sh counts 512 bytes, others 1,024.
  const message = expect.stringMatching(/files that a process writes may have \d+ bytes here/);
  expect({ exitCode, stderr }).toEqual({ exitCode: 12, stderr: message });
});

test('a machine without /proc is told so, and still says what wiac is', async () => {
  const root = context({ Dockerfile: dockerfile('RUN true') });
  const env = { WIAC_ROOT: join(tempDir(), 'store') };
  const script = 'mount -t tmpfs none /proc && exec "$@"';
  const wiac = (...words: readonly string[]) => {
    const command = ['--mount', 'sh', '-ec', script, 'sh', process.execPath, WIAC, ...words];
    return execa('unshare', command, { env, reject: false });
  };
  expect(await wiac('--version')).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await wiac('build', root)).toMatchObject({
    exitCode: 8,
    stderr: 'wiac: wiac needs /proc, which is not mounted here\nhint: mount -t proc proc /proc',
  });
});

test("with another pid namespace's /proc no file of the process is touched that has our number there", async () => {
  const root = context({ Dockerfile: dockerfile('RUN true') });
  const env = { WIAC_ROOT: join(tempDir(), 'store') };
  const command = ['--pid', '--fork', process.execPath, WIAC, 'build', root];
  const { exitCode, stderr } = await execa('unshare', command, { env, reject: false });
  expect({ exitCode, stderr }).toEqual({
    exitCode: 8,
    stderr: expect.stringContaining('/proc is that of another pid namespace'),
  });
});

describe('output that nobody takes', () => {
  const runIn = async (script: string) => {
    const made = machine();
    const root = context({ Dockerfile: dockerfile('RUN echo made') });
    const command = ['-c', `set -o pipefail; ${script}`, process.execPath, WIAC, 'build', root];
    const { exitCode, stderr } = await execa('bash', command, {
      env: { WIAC_ROOT: made.root },
      reject: false,
    });
    // No step was left on its way.
    expect(await made.wiac(['cache', 'verify'])).toEqual({
      exitCode: 0,
      stdout: expect.stringMatching(/^checked 2 entries/),
      stderr: '',
    });
    return { exitCode, stderr };
  };

  test.each([
    ['messages to a full disk', '"$0" "$@" 2>/dev/full'],
    ['messages to a reader that has gone', '{ sleep 0.1; "$0" "$@" 2>&1 >/dev/null; } | true'],
  ])('%s: the build is made', async (_, script) => {
    expect(await runIn(script)).toEqual({ exitCode: 0, stderr: '' });
  });

  test.each([
    ['an archive that is cut is none', '-q -o -', 141],
    ['what says where layers are may be cut', '-q', 0],
  ])('%s', async (_, options, code) => {
    // More than a pipe holds, and nobody reads it when it comes.
    const cut = `"$0" "$@" ${options} > >(exec <&-; sleep 2) & wait $!`;
    expect(await runIn(cut)).toEqual({ exitCode: code, stderr: '' });
  });

  test('the result to a full disk: it is said', async () => {
    expect(await runIn('"$0" "$@" >/dev/full')).toEqual({
      exitCode: 11,
      stderr: expect.stringMatching(
        /\nwiac: standard output could not be written: ENOSPC: no space left on device, write$/,
      ),
    });
  });
});

test('links that somebody removed are there again when they are printed', async () => {
  const made = machine();
  const root = context({ Dockerfile: dockerfile('RUN echo x > /x') });
  await made.build(root, '-t', 'image');
  const removeLinks = () => {
    for (const name of readdirSync(join(made.root, 'l'))) rmSync(join(made.root, 'l', name));
  };
  removeLinks();
  const { lowerdirs } = await made.build(root);
  for (const path of lowerdirs.split(':')) expect(existsSync(path)).toBe(true);
  removeLinks();
  const { stdout } = await made.wiac(['inspect', 'image']);
  const [{ Lowerdirs }] = JSON.parse(stdout) as [{ Lowerdirs: string }];
  for (const path of Lowerdirs.split(':')) expect(existsSync(path)).toBe(true);
  writeFileSync(join(root, 'Dockerfile'), dockerfile('RUN echo x > /x', 'RUN cat /x'));
  removeLinks();
  await made.build(root);
});

describe('settings that have no end', () => {
  const places = [
    ['WIAC_CONFIG', ['cache', 'ls'], 2],
    ['REGISTRY_AUTH_FILE', ['logout', 'localhost:1'], 11],
    ['WIAC_REGISTRY_CA', ['pull', 'localhost:1/image'], 2],
    ['CONTAINERS_STORAGE_CONF', ['pull', 'containers-storage:image'], 11],
  ] as const;

  test.each(places)('%s', async (name, command, code) => {
    const pipe = join(tempDir(), 'pipe');
    await execa('mkfifo', [pipe]);
    const { wiac } = machine();
    const read = async (path: string) => {
      const { exitCode, stderr } = await wiac([...command], { env: { [name]: path } });
      return { exitCode, stderr };
    };
    const said = (problem: string) => ({
      exitCode: code,
      stderr: expect.stringContaining(problem),
    });
    expect(await read(pipe)).toEqual(said('it is a pipe, and no file'));
    expect(await read('/dev/zero')).toEqual(said('it is larger than'));
  });
});

test.each(['local', 'tar', 'oci'])('a full disk below an output of type %s', async (type) => {
  await withDisk([], '1M', async (path) => {
    const root = context({ Dockerfile: 'FROM scratch\nCOPY f /\n', f: '' });
    writeFileSync(join(root, 'f'), randomBytes(2_000_000));
    const output = `type=${type},dest=${path}/x`;
    const { exitCode, stderr } = await machine().wiac(['build', '-q', '-o', output, root]);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 11,
      stderr: expect.stringMatching(
        /^wiac: cannot write .*\/x: ENOSPC: no space left on device, write\nhint: free some space there, /,
      ),
    });
    expect(readdirSync(path).filter((name) => name !== 'lost+found' && name !== 'x')).toEqual([]);
  });
});
