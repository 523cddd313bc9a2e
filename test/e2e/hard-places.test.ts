/** Places where the system says no: each is told as what it is. */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { context, dockerfile, machine, tempDir, WIAC } from '../support/wiac.js';

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
