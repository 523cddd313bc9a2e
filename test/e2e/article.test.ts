/** The article's own command lines. */
import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { context, machine, tempDir, writeTree } from '../support/wiac.js';

async function which(program: string): Promise<string> {
  return (await execa('which', [program])).stdout;
}

describe('layers made by hand', () => {
  test('bash and ls run in a root that copy --libs made', async () => {
    const { wiac } = machine();
    const cwd = tempDir();
    const programs = [await which('bash'), await which('ls')];
    expect(
      await wiac(['copy', '--libs', './data/layer1', ...programs, '/usr/bin'], { cwd }),
    ).toMatchObject({ exitCode: 0 });
    const { stdout } = await execa('chroot', [
      join(cwd, 'data/layer1'),
      '/usr/bin/bash',
      '-c',
      'ls /usr/bin',
    ]);
    expect(stdout).toBe('bash\nls');
  });

  test('three layers: the upper hide the lower, writes stay in the container layer', async () => {
    const { wiac } = machine();
    const cwd = tempDir();
    await wiac(
      [
        'copy',
        '--libs',
        './data/layer1',
        await which('bash'),
        await which('cat'),
        await which('rm'),
        '/usr/bin',
      ],
      { cwd },
    );
    writeTree(cwd, {
      'data/layer2/etc/one': 'from layer2\n',
      'data/layer2/etc/two': 'from layer2\n',
      'data/layer3/etc/two': 'from layer3\n',
    });
    const script = 'cat /etc/one /etc/two; echo written > /etc/three; rm /etc/one';
    const lowerdirs = './data/layer3:./data/layer2:./data/layer1';
    const run = await wiac(['run', lowerdirs, './data/container', '/usr/bin/bash', '-c', script], {
      cwd,
    });
    expect(run).toMatchObject({ exitCode: 0, stdout: 'from layer2\nfrom layer3\n' });
    expect(readFileSync(join(cwd, 'data/container/etc/three'), 'utf8')).toBe('written\n');
    expect(lstatSync(join(cwd, 'data/container/etc/one')).rdev).toBe(0);
    expect(readFileSync(join(cwd, 'data/layer2/etc/one'), 'utf8')).toBe('from layer2\n');
    // Neither mount points nor overlayfs's work directory stay behind.
    expect(readdirSync(join(cwd, 'data')).sort()).toEqual([
      'container',
      'layer1',
      'layer2',
      'layer3',
    ]);
    expect(readdirSync(join(cwd, 'data/container'))).toEqual(['etc']);
    const again = await wiac(['run', lowerdirs, './data/container', '/usr/bin/cat', '/etc/three'], {
      cwd,
    });
    expect(again.stdout).toBe('written\n');
  });
});

describe('the Dockerfile', () => {
  const files = {
    Dockerfile: `FROM scratch
COPY . /
RUN printf '#!/bin/sh\\necho hello\\n' > /myapp.sh
RUN echo 'echo world' >> /myapp.sh && chmod +x /myapp.sh
`,
  };

  test('build prints the lowerdir string alone, run runs it', async () => {
    const { wiac, root } = machine();
    const cwd = context(files);
    const build = await wiac(['build', '.'], { cwd });
    expect(build.exitCode).toBe(0);
    const layers = build.stdout.trimEnd().split(':');
    expect(layers).toHaveLength(3);
    expect(build.stdout).toBe(`${layers.join(':')}\n`);
    for (const layer of layers) expect(layer.startsWith(root)).toBe(true);
    // Topmost first: the last RUN's file, and the whole context at the bottom.
    expect(readFileSync(join(layers[0] ?? '', 'myapp.sh'), 'utf8')).toContain('world');
    expect(existsSync(join(layers[2] ?? '', 'bin/busybox'))).toBe(true);
    const upper = join(tempDir(), 'upperlayer');
    const run = await wiac(['run', build.stdout.trimEnd(), upper, '/myapp.sh'], { cwd });
    expect(run).toEqual({ exitCode: 0, stdout: 'hello\nworld\n', stderr: '' });
  });

  test('DATADIR is where layers go, unless WIAC_ROOT says otherwise', async () => {
    const { wiac, root } = machine();
    const cwd = context(files);
    const data = join(tempDir(), 'data');
    const withData = await wiac(['build', '.'], { cwd, env: { WIAC_ROOT: '', DATADIR: data } });
    expect(withData.stdout.startsWith(`${data}/l/`)).toBe(true);
    const withBoth = await wiac(['build', '.'], { cwd, env: { DATADIR: data } });
    expect(withBoth.stdout.startsWith(`${root}/l/`)).toBe(true);
  });

  test('TMPDIR is where run keeps what is short-lived, and is empty afterwards', async () => {
    const { wiac } = machine();
    const cwd = context(files);
    const { stdout } = await wiac(['build', '.'], { cwd });
    const tmp = tempDir();
    const upper = join(tempDir(), 'upper');
    const run = await wiac(['run', stdout.trimEnd(), upper, '/bin/mount'], {
      cwd,
      env: { TMPDIR: tmp },
    });
    expect(run.stdout).toContain(`${tmp}/wiac-run-`);
    expect(readdirSync(tmp)).toEqual([]);
  });
});
