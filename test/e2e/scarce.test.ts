/** What is scarce is named, and no program runs on less than it should have. */
import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { emptyDisk } from '../support/power-cut.js';
import { context, dockerfile, machine, tempDir, WIAC } from '../support/wiac.js';

describe('few processes (pids.max)', () => {
  test('what could not be started is told, and what to do', async () => {
    const v1 = '/sys/fs/cgroup/pids';
    const group = join(existsSync(v1) ? v1 : '/sys/fs/cgroup', `test-${process.pid}`);
    const root = context({ Dockerfile: dockerfile('RUN true') });
    mkdirSync(group);
    try {
      const codes: (number | undefined)[] = [];
      for (let most = 12; most <= 40; most += 4) {
        writeFileSync(join(group, 'pids.max'), String(most));
        const script = `echo $$ > ${group}/cgroup.procs; exec "$@"`;
        const command = ['-c', script, 'sh', process.execPath, WIAC, 'build', root];
        const env = { WIAC_ROOT: join(tempDir(), 'store') };
        const { exitCode, stderr } = await execa('sh', command, { reject: false, env });
        if (exitCode === 12) expect(stderr).toContain('hint: allow more processes (ulimit -u;');
        codes.push(exitCode);
      }
      expect(codes.filter((code) => code !== 12 && code !== 5 && code !== 0)).toEqual([]);
      expect(codes[0]).toBe(12);
      expect(codes.at(-1)).toBe(0);
    } finally {
      rmdirSync(group);
    }
  });
});

test('where overlayfs would mount read-only for want of room, no program runs', async () => {
  const directory = tempDir();
  const [image, path] = [join(directory, 'disk'), join(directory, 'mnt')];
  mkdirSync(path);
  await execa('truncate', ['-s', '8M', image]);
  await execa('mkfs.ext4', ['-q', '-F', '-N', '32', image]);
  await execa('mount', ['-o', 'loop', image, path]);
  try {
    const { wiac } = machine();
    const layer = join(directory, 'layer');
    await wiac(['copy', layer, '/bin/busybox', '/bin/sh']);
    const run = () =>
      wiac(['run', join(layer, 'diff'), join(path, 'box'), '/bin/sh', '-c', 'echo > /x; echo on']);
    mkdirSync(join(path, 'box/diff'), { recursive: true });
    for (const name of ['work', 'merged']) mkdirSync(join(path, 'box', name));
    const fill = 'i=0; while : 2>/dev/null > "$1/$i"; do i=$((i + 1)); done';
    await execa('sh', ['-c', fill, 'sh', path], { reject: false });
    // Of the container, and with one that is left, of overlayfs.
    expect(await run()).toMatchObject({
      exitCode: 125,
      stderr: expect.stringMatching(
        /^wiac: ENOSPC: no space left .*\nhint: free some space there\n/,
      ),
    });
    rmSync(join(path, '0'));
    expect(await run()).toEqual({
      exitCode: 125,
      stdout: '',
      stderr: expect.stringMatching(/^wiac: no space left: .*overlay /),
    });
    await execa('sh', ['-c', 'rm "$1"/[0-9]*', 'sh', path]);
    expect(await run()).toMatchObject({ exitCode: 0, stdout: 'on\n' });
  } finally {
    await execa('umount', [path]);
  }
});

test.each(['ext4', 'xfs'] as const)('a disk that fails while a step runs (%s)', async (kind) => {
  const disk = await emptyDisk(kind === 'xfs' ? '320M' : '64M', kind);
  try {
    const root = context({ Dockerfile: dockerfile('RUN sleep 5; echo x > /x') });
    expect((await disk.wiac(['cache', 'ls'])).exitCode).toBe(0);
    const building = disk.wiac(['build', root]);
    // The lease of the step.
    while (readdirSync(join(disk.path, 'store/leases')).length === 0)
      await new Promise((resume) => setTimeout(resume, 50));
    await execa('xfs_io', ['-x', '-c', 'shutdown', disk.path]);
    const { exitCode, stderr } = await building;
    expect(stderr).not.toContain('internal error');
    // The program may have met it first.
    expect([5, 7]).toContain(exitCode);
  } finally {
    await disk.remove();
  }
});

describe('places that are not there', () => {
  const builtHere = async () => {
    const made = machine();
    const root = context({ Dockerfile: dockerfile('RUN echo made > /made') });
    await made.build(root, '-t', 'image');
    return { ...made, context: root };
  };

  test('TMPDIR is gone, or nothing can be written there: run and shell say so', async () => {
    const { wiac, context: root } = await builtHere();
    const env = { TMPDIR: '/proc/self' };
    const missing = { TMPDIR: '/nonexistent' };
    for (const command of [
      ['run', 'image', '/bin/true'],
      ['shell', root, '--', '/bin/true'],
    ]) {
      const exitCode = command[0] === 'run' ? 125 : 2;
      for (const each of [env, missing])
        expect(await wiac(command, { env: each })).toEqual({
          exitCode,
          stdout: '',
          stderr: expect.stringMatching(
            new RegExp(`^wiac: ${each.TMPDIR} can't be used .*\nhint: set TMPDIR to a directory`),
          ),
        });
    }
  });

  test('the directory that one is in was removed', async () => {
    const { root, context: project } = await builtHere();
    const script = 'cd "$1" && rmdir "$1" && shift && exec "$@"';
    const wiac = (...words: readonly string[]) => {
      const command = ['-c', script, 'sh', tempDir(), process.execPath, WIAC, ...words];
      return execa('sh', command, { env: { WIAC_ROOT: root }, reject: false });
    };
    expect(await wiac('build', '.')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringMatching(/^wiac: the directory that you are in was removed\nhint: /),
    });
    expect(await wiac('build', '-q', project)).toMatchObject({ exitCode: 0 });
  });
});
