/** `wiac run`: programs in directories and in named builds. */
import { chmodSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { warmMachines } from '../support/warm-command.js';
import type { Machine } from '../support/wiac.js';
import { context, dockerfile, mountsBelow, tempDir, WIAC } from '../support/wiac.js';

const machine = warmMachines();

async function builtImage(...lines: string[]): Promise<Machine> {
  const made = machine();
  await made.build(context({ Dockerfile: dockerfile(...lines) }), '-t', 'app');
  return made;
}

describe('exit codes', () => {
  test.each([
    ["the program's own", ['/bin/sh', '-c', 'exit 42'], 42],
    ['127: not there', ['/nope'], 127],
    ['126: not executable', ['/bin'], 126],
  ])('%s', async (_, argv, expected) => {
    const { wiac } = await builtImage();
    expect((await wiac(['run', 'app', ...argv])).exitCode).toBe(expected);
  });

  test("125: wiac's own failure, with a message", async () => {
    const { exitCode, stderr } = await machine().wiac([
      'run',
      '--pull=never',
      'nothing',
      '/bin/true',
    ]);
    expect(exitCode).toBe(125);
    expect(stderr).toContain('there is no image');
  });
});

describe('streams and signals', () => {
  test('standard input reaches the program', async () => {
    const { wiac } = await builtImage();
    expect((await wiac(['run', 'app', '/bin/cat'], { input: 'through\n' })).stdout).toBe(
      'through\n',
    );
  });

  test('a terminal stays a terminal', async () => {
    const { root } = await builtImage();
    const command = `${process.execPath} ${WIAC} run app /bin/sh -c 'test -t 0 && test -t 1 && echo terminal'`;
    const { stdout } = await execa('script', ['-qec', command, '/dev/null'], {
      env: { WIAC_ROOT: root },
    });
    expect(stdout).toContain('terminal');
  });

  test('SIGTERM is passed on, and nothing stays mounted', async () => {
    const { root } = await builtImage();
    const tmp = tempDir();
    const script = 'trap "echo got it; exit 3" TERM; echo ready; while true; do sleep 0.1; done';
    const child = execa(process.execPath, [WIAC, 'run', 'app', '/bin/sh', '-c', script], {
      env: { WIAC_ROOT: root, TMPDIR: tmp },
      reject: false,
    });
    await new Promise((resume) => child.stdout.once('data', resume));
    child.kill('SIGTERM');
    const { exitCode, stdout } = await child;
    expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: 'ready\ngot it' });
    expect(mountsBelow(tmp)).toEqual([]);
    expect(readdirSync(tmp)).toEqual([]);
  });

  test('kill -9 of wiac ends the program and leaves nothing mounted', async () => {
    const { root } = await builtImage();
    const tmp = tempDir();
    const child = execa(
      process.execPath,
      [WIAC, 'run', 'app', '/bin/sh', '-c', 'echo ready; sleep 87654'],
      {
        env: { WIAC_ROOT: root, TMPDIR: tmp },
        reject: false,
      },
    );
    await new Promise((resume) => child.stdout.once('data', resume));
    child.kill('SIGKILL');
    await child;
    expect(mountsBelow(tmp)).toEqual([]);
    const { stdout } = await execa('pgrep', ['-f', 'sleep 87654'], { reject: false });
    expect(stdout).toBe('');
  });
});

describe('the config of a named build', () => {
  test('ENV, WORKDIR, USER, ENTRYPOINT and CMD', async () => {
    const { wiac } = await builtImage(
      'ENV NAME=value',
      'WORKDIR /work',
      'USER 7:8',
      'ENTRYPOINT ["/bin/sh", "-c"]',
      'CMD ["echo $NAME $(pwd) $(id -u) $(id -g)"]',
    );
    expect((await wiac(['run', 'app'])).stdout).toBe('value /work 7 8\n');
    expect((await wiac(['run', 'app', 'echo other'])).stdout).toBe('other\n');
    expect((await wiac(['run', '--entrypoint', '/bin/pwd', 'app'])).stdout).toBe('/work\n');
    const changed = await wiac(['run', '-e', 'NAME=mine', '-w', '/', '-u', '0', 'app']);
    expect(changed.stdout).toBe('mine / 0 0\n');
  });

  test('ENTRYPOINT drops the CMD of the stage below, its own CMD stays', async () => {
    const { wiac, build } = machine();
    const text = ['FROM scratch AS base', 'COPY bin /bin', 'CMD ["dropped"]', 'FROM base'];
    const root = context({ Dockerfile: [...text, 'ENTRYPOINT ["/bin/echo"]', ''].join('\n') });
    await build(root, '-t', 'app');
    expect((await wiac(['run', 'app'])).stdout).toBe('\n');
  });

  test('nothing is kept without --layer, everything with it', async () => {
    const { wiac } = await builtImage();
    await wiac(['run', 'app', '/bin/touch', '/file']);
    expect((await wiac(['run', 'app', '/bin/ls', '/file'])).exitCode).toBe(1);
    const layer = join(tempDir(), 'layer');
    await wiac(['run', '--layer', layer, 'app', '/bin/touch', '/file']);
    expect(existsSync(join(layer, 'diff/file'))).toBe(true);
  });

  test('nobody else gets at setuid files that the program leaves: what wiac makes is closed to them', async () => {
    const { wiac } = await builtImage();
    const [parent, own] = [join(tempDir(), 'new'), tempDir()];
    chmodSync(own, 0o755);
    const script = 'cp /bin/sh /sh && chmod 4755 /sh';
    for (const layer of [join(parent, 'layer'), own])
      expect(await wiac(['run', '--layer', layer, 'app', '/bin/sh', '-c', script])).toMatchObject({
        exitCode: 0,
      });
    expect(statSync(join(parent, 'layer/diff/sh')).mode & 0o7777).toBe(0o4755);
    const modes = [parent, join(parent, 'layer'), own].map((path) => statSync(path).mode & 0o777);
    expect(modes).toEqual([0o755, 0o700, 0o755]);
  });

  test('an image without a command says what to do', async () => {
    const { wiac } = await builtImage();
    const { exitCode, stderr } = await wiac(['run', 'app']);
    expect(exitCode).toBe(125);
    expect(stderr).toContain('neither ENTRYPOINT nor CMD');
  });
});

describe('isolation', () => {
  test('processes and files of this machine are out of sight', async () => {
    const { wiac } = await builtImage();
    const { stdout } = await wiac([
      'run',
      'app',
      '/bin/sh',
      '-c',
      'ls /proc/1/cwd/ /proc | grep -E "^[0-9]+$|home"',
    ]);
    expect(stdout.split('\n').filter(Boolean).length).toBeLessThan(4);
    expect(stdout).not.toContain('home');
  });

  test('--network none leaves the loopback device', async () => {
    const { wiac } = await builtImage();
    const { stdout } = await wiac([
      'run',
      '--network',
      'none',
      'app',
      '/bin/grep',
      '-c',
      ':',
      '/proc/net/dev',
    ]);
    expect(stdout).toBe('1\n');
  });

  test('many layers: options of more than a page', async () => {
    const cwd = tempDir();
    const { wiac } = machine();
    await wiac(['copy', './data/base-layer', '/bin/busybox', '/bin/sh'], { cwd });
    const names = Array.from({ length: 120 }, (_, index) => `./data/${'long'.repeat(10)}${index}`);
    const file = join(cwd, 'file');
    await execa('sh', ['-c', `echo text > ${file}`]);
    for (const [index, name] of names.entries())
      await execa('mkdir', ['-p', join(cwd, name, `d${index}`)]);
    const lowerdirs = [...names, './data/base-layer/diff'].join(':');
    expect(lowerdirs.length).toBeGreaterThan(4096);
    const { stdout } = await wiac(['run', lowerdirs, './upper', '/bin/sh', '-c', 'echo /d*'], {
      cwd,
    });
    expect(stdout.trim().split(' ')).toHaveLength(121);
    expect(readFileSync(file, 'utf8')).toBe('text\n');
  });
});
