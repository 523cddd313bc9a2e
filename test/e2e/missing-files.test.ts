/** "No such file or directory? That doesn't sound right": what a program in layers lacks is named. */
import { chmodSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { warmMachines } from '../support/warm-command.js';
import type { Machine } from '../support/wiac.js';
import { tempDir, writeTree } from '../support/wiac.js';

const machine = warmMachines();

const LOADER =
  process.arch === 'arm64' ? '/lib/ld-linux-aarch64.so.1' : '/lib64/ld-linux-x86-64.so.2';

interface Layers extends Machine {
  readonly cwd: string;
}

/** `full`: bash with all it needs; `bare`: ls without; `shell`: a static sh. */
async function layers(): Promise<Layers> {
  const made = machine();
  const cwd = tempDir();
  await made.wiac(['copy', '--libs', './full', '/bin/bash', '/usr/bin/'], { cwd });
  await made.wiac(['copy', './bare', '/bin/ls', '/usr/bin/'], { cwd });
  await made.wiac(['copy', './shell', '/bin/busybox', '/bin/sh'], { cwd });
  return { ...made, cwd };
}

function script(cwd: string, layer: string, line: string): void {
  writeTree(cwd, { [`${layer}/diff/script`]: `${line}\n` });
  chmodSync(join(cwd, layer, 'diff/script'), 0o755);
}

describe('wiac run', () => {
  test('the dynamic linker and libraries of the program itself', async () => {
    const { wiac, cwd } = await layers();
    const { exitCode, stderr } = await wiac(['run', './bare/diff', './c', '/usr/bin/ls'], { cwd });
    expect(exitCode).toBe(127);
    expect(stderr).toContain("can't start /usr/bin/ls: No such file or directory");
    expect(stderr).toContain(`/usr/bin/ls needs ${LOADER}, `);
    expect(stderr).toContain('libc.so.6, which are not in the layer ./bare/diff\n');
    expect(stderr).toContain('hint: wiac copy --libs <layerdir> /usr/bin/ls /usr/bin/ls ');
  });

  test('a library of a program that a shell starts, and no other', async () => {
    const { wiac, cwd } = await layers();
    const run = await wiac(['run', './bare/diff:./full/diff', './c', 'bash', '-c', 'ls -l /'], {
      cwd,
    });
    expect(run.exitCode).toBe(127);
    expect(run.stderr).toContain(
      'wiac: /usr/bin/ls needs libselinux.so.1, which is not in the layers ./bare/diff:./full/diff\n',
    );
  });

  test('a library that a library needs', async () => {
    const { wiac, cwd } = await layers();
    await wiac(['copy', '--libs', './ls', '/bin/ls', '/usr/bin/'], { cwd });
    const [triplet] = process.arch === 'arm64' ? ['aarch64-linux-gnu'] : ['x86_64-linux-gnu'];
    rmSync(join(cwd, 'ls/diff/lib', triplet ?? '', 'libpcre2-8.so.0'));
    const { exitCode, stderr } = await wiac(['run', './ls/diff', './c', '/usr/bin/ls'], { cwd });
    expect(exitCode).toBe(127);
    expect(stderr).toMatch(/libselinux\.so\.1 needs libpcre2-8\.so\.0, which is not in/);
    expect(stderr).toContain('hint: wiac copy --libs <layerdir> /usr/bin/ls /usr/bin/ls ');
  });

  test.each([
    ['#!/bin/missing -x', '/script needs /bin/missing,', '<layerdir> /bin/missing /bin/missing '],
    ['#!/usr/bin/env python3', '/script needs /usr/bin/env,', '<layerdir> /usr/bin/env '],
    ['#!/usr/bin/ls', `/usr/bin/ls needs ${LOADER},`, '<layerdir> /usr/bin/ls /usr/bin/ls '],
  ])('the interpreter of a script: %s', async (line, message, hint) => {
    const { wiac, cwd } = await layers();
    script(cwd, 'bare', line);
    const { exitCode, stderr } = await wiac(['run', './bare/diff', './c', '/script'], { cwd });
    expect(exitCode).toBe(127);
    expect(stderr).toContain(`wiac: ${message}`);
    expect(stderr).toContain(`hint: wiac copy --libs ${hint}`);
  });

  test('what env looks up', async () => {
    const { wiac, cwd } = await layers();
    await wiac(['copy', './shell', '/bin/busybox', '/usr/bin/env'], { cwd });
    script(cwd, 'shell', '#!/usr/bin/env python3');
    const { exitCode, stderr } = await wiac(['run', './shell/diff', './c', '/script'], { cwd });
    expect(exitCode).toBe(127);
    expect(stderr).toContain(
      'wiac: /script needs python3, which is not in the layer ./shell/diff\n',
    );
    expect(stderr).toContain('copy --libs <layerdir> $(which python3) /usr/bin/ ');
  });

  test.each([
    ['#!/bin/sh\r', '"/bin/sh\\r"'],
    ['#!/usr/bin/env sh\r', '"sh\\r"'],
  ])('a script with Windows line ends: %j', async (line, name) => {
    const { wiac, cwd } = await layers();
    await wiac(['copy', './shell', '/bin/busybox', '/usr/bin/env'], { cwd });
    script(cwd, 'shell', line);
    const { exitCode, stderr } = await wiac(['run', './shell/diff', './c', '/script'], { cwd });
    expect(exitCode).toBe(127);
    expect(stderr).toContain(
      `wiac: /script has Windows line ends (CR LF), so that ${name} is looked for\n`,
    );
    expect(stderr).toContain("hint: save it with LF line ends: sed -i 's/\\r$//' FILE, ");
    expect(stderr).not.toContain('copy --libs');
  });

  test('the program itself', async () => {
    const { wiac, cwd } = await layers();
    const { exitCode, stderr } = await wiac(['run', './full/diff', './c', '/bin/nosuch'], { cwd });
    expect(exitCode).toBe(127);
    expect(stderr).toContain(
      'wiac: /bin/nosuch is not there: it is not in the layer ./full/diff\n',
    );
    const named = await wiac(['run', './full/diff', './c', 'nosuch'], { cwd });
    expect(named.stderr).toContain('nosuch is not there in PATH (/usr/local/sbin:');
  });

  test('a layer directory in the place of its diff', async () => {
    const { wiac, cwd } = await layers();
    const { exitCode, stderr } = await wiac(['run', './full', './c', '/usr/bin/bash'], { cwd });
    expect(exitCode).toBe(127);
    expect(stderr).toContain(`hint: did you mean ${join(cwd, 'full/diff')}?`);
  });

  test('a program that ends with 127 and lacks nothing is left alone', async () => {
    const { wiac, cwd } = await layers();
    const own = await wiac(['run', './full/diff', './c', '/usr/bin/bash', '-c', 'exit 127'], {
      cwd,
    });
    expect(own).toEqual({ exitCode: 127, stdout: '', stderr: '' });
    const other = await wiac(['run', './shell/diff', './c', '/bin/sh', '-c', 'nosuch'], { cwd });
    expect(other).toMatchObject({ exitCode: 127, stderr: '/bin/sh: nosuch: not found\n' });
  });

  test('what is mounted is no lack of the layers', async () => {
    const { wiac, cwd } = await layers();
    writeTree(cwd, { 'tools/x': '#!/nosuch\n' });
    chmodSync(join(cwd, 'tools/x'), 0o755);
    const mounts = ['-v', './tools:/tools', '-v', '/lib:/lib:ro', '-v', '/lib64:/lib64:ro'];
    const tool = await wiac(['run', ...mounts, './bare/diff', './c', '/tools/x'], { cwd });
    expect(tool.stderr).toBe("wiac: can't start /tools/x: No such file or directory\n");
    const ls = await wiac(['run', ...mounts, './bare/diff', './c', 'ls', '/tools'], { cwd });
    expect(ls).toEqual({ exitCode: 0, stdout: 'x\n', stderr: '' });
  });

  test("links of a layer lead into the layers, never to this machine's files", async () => {
    const { wiac, cwd } = await layers();
    // On this machine both lead to a program; in the layer to nothing.
    writeTree(cwd, { 'bare/diff/usr/bin/out': '-> ../../../../../../../../bin/busybox' });
    writeTree(cwd, { [`bare/diff${LOADER}`]: `-> ../../../../../../../..${realpathSync(LOADER)}` });
    const out = await wiac(['run', './bare/diff', './c', '/usr/bin/out'], { cwd });
    expect(out.stderr).toContain('/usr/bin/out is not there');
    const { stderr } = await wiac(['run', './bare/diff', './c', '/usr/bin/ls'], { cwd });
    expect(stderr).toContain(`/usr/bin/ls needs ${LOADER}`);
  });
});

describe('RUN', () => {
  async function failure(...lines: string[]): Promise<string> {
    const { wiac, cwd } = await layers();
    writeTree(cwd, { Dockerfile: ['FROM scratch', ...lines, ''].join('\n') });
    const { exitCode, stderr } = await wiac(['build', '--progress=plain', '.'], { cwd });
    expect(exitCode).toBe(5);
    return stderr;
  }

  test('the step itself', async () => {
    const stderr = await failure('COPY bare/diff /', 'RUN ["/usr/bin/ls"]');
    expect(stderr).toMatch(
      /could not be started: .*; \/usr\/bin\/ls needs .*, which are not in the layer \//,
    );
    expect(stderr).toContain(LOADER);
    expect(stderr).toContain('hint: wiac copy --libs <layerdir> /usr/bin/ls /usr/bin/ls ');
  });

  test('a program that its shell starts', async () => {
    const stderr = await failure(
      'COPY shell/diff /',
      'COPY bare/diff/usr/bin/ls /usr/bin/list',
      'RUN true && list /',
    );
    expect(stderr).toMatch(/exit code 127; \/usr\/bin\/list needs .*libc\.so\.6, which are not in/);
  });

  test('a script with Windows line ends that its shell starts', async () => {
    const made = await layers();
    script(made.cwd, 'shell', '#!/bin/sh\r');
    writeTree(made.cwd, { Dockerfile: 'FROM scratch\nCOPY shell/diff /\nRUN /script\n' });
    const { exitCode, stderr } = await made.wiac(['build', '--progress=plain', '.'], made);
    expect(exitCode).toBe(5);
    expect(stderr).toContain('exit code 127; /script has Windows line ends (CR LF), ');
    expect(stderr).toContain('hint: save it with LF line ends: ');
  });

  test('a step without a shell', async () => {
    const stderr = await failure('COPY full/diff /', 'RUN ls /');
    expect(stderr).toMatch(/\/bin\/sh is not there: it is not in the layer \//);
  });
});
