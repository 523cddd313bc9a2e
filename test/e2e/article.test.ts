/** The article's own command lines. */
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { warmMachines } from '../support/warm-command.js';
import { context, printed, tempDir, WIAC, writeTree } from '../support/wiac.js';

const machine = warmMachines();

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
    expect(readdirSync(join(cwd, 'data/layer1'))).toEqual(['diff']);
    const { stdout } = await execa('chroot', [
      join(cwd, 'data/layer1/diff'),
      '/usr/bin/bash',
      '-c',
      'ls /usr/bin',
    ]);
    expect(stdout).toBe('bash\nls');
  });

  test('the diff of one run is a lower directory of the next', async () => {
    const { wiac } = machine();
    const cwd = tempDir();
    const programs = await Promise.all(['bash', 'cat', 'ls'].map(which));
    await wiac(['copy', '--libs', './a', ...programs, '/usr/bin'], { cwd });
    writeTree(cwd, { one: 'from b\n' });
    await wiac(['copy', './b', './one', '/etc/one'], { cwd });
    const bash = (lowerdirs: string, layer: string, script: string) =>
      wiac(['run', lowerdirs, layer, '/usr/bin/bash', '-c', script], { cwd });
    expect(await bash('./b/diff:./a/diff', './c', 'cat /etc/one; echo c > /kept')).toEqual({
      exitCode: 0,
      stdout: 'from b\n',
      stderr: '',
    });
    // As the script leaves them: unmounted, and nothing of overlayfs in them.
    const parts = ['diff', 'merged', 'work'].map((name) => readdirSync(join(cwd, 'c', name)));
    expect(parts).toEqual([['kept'], [], []]);
    expect(readdirSync(join(cwd, 'c'))).toEqual(['diff', 'merged', 'work']);
    const next = await bash('./c/diff:./b/diff:./a/diff', './d', 'ls /etc; cat /kept');
    expect(next.stdout).toContain('one\n');
    expect(next.stdout.endsWith('c\n')).toBe(true);
    // Another run continues in the same layer.
    expect((await bash('./b/diff:./a/diff', './c', 'cat /kept')).stdout).toBe('c\n');
    // The script's own mount shows the same.
    const overlay = `mkdir m w u && mount -t overlay overlay -olowerdir=c/diff:b/diff:a/diff,upperdir=u,workdir=w m && chroot m /usr/bin/cat /etc/one /kept; umount m`;
    expect((await execa('unshare', ['-m', 'sh', '-c', overlay], { cwd })).stdout).toBe('from b\nc');
  });

  test('directories without /diff are taken as they are: the upper hide the lower', async () => {
    const { wiac } = machine();
    const cwd = tempDir();
    const programs = await Promise.all(['bash', 'cat', 'rm'].map(which));
    await wiac(['copy', '--libs', './made', ...programs, '/usr/bin'], { cwd });
    await execa('mkdir', [join(cwd, 'data')]);
    await execa('mv', [join(cwd, 'made/diff'), join(cwd, 'data/layer1')]);
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
    const diff = join(cwd, 'data/container/diff');
    expect(readFileSync(join(diff, 'etc/three'), 'utf8')).toBe('written\n');
    expect(lstatSync(join(diff, 'etc/one')).rdev).toBe(0);
    expect(readFileSync(join(cwd, 'data/layer2/etc/one'), 'utf8')).toBe('from layer2\n');
    // Neither mount points nor overlayfs's work directory stay behind.
    expect(readdirSync(join(cwd, 'data')).sort()).toEqual([
      'container',
      'layer1',
      'layer2',
      'layer3',
    ]);
    expect(readdirSync(diff)).toEqual(['etc']);
    const again = await wiac(['run', lowerdirs, './data/container', '/usr/bin/cat', '/etc/three'], {
      cwd,
    });
    expect(again.stdout).toBe('written\n');
  });

  test("a container layer in a project does not cost the project's own work directory", async () => {
    const { wiac } = machine();
    const cwd = tempDir();
    await wiac(['copy', './a', '/bin/busybox', '/bin/sh'], { cwd });
    writeTree(cwd, { 'work/mine': 'x' });
    const refused = await wiac(['run', './a/diff', '.', '/bin/sh', '-c', 'true'], { cwd });
    expect(refused).toMatchObject({ exitCode: 125, stdout: '' });
    expect(refused.stderr).toContain('work holds mine');
    expect(readdirSync(join(cwd, 'work'))).toEqual(['mine']);
  });

  test('mistakes are told in its own words, and cost nothing', async () => {
    const { wiac } = machine();
    const cwd = tempDir();
    const told = async (...words: string[]) => {
      const { exitCode, stderr } = await wiac(words, { cwd });
      return `${exitCode} ${stderr}`;
    };
    await wiac(['copy', './a', '/bin/busybox', '/bin/sh'], { cwd });
    const sh = ['/bin/sh', '-c', 'true'];
    // The layer itself is to be written to.
    expect(await told('run', './a/diff', './a', ...sh)).toMatch(/^125 .* where the program writes/);
    expect(await told('run', './a/diff/bin:./a/diff', './a', ...sh)).toContain('writes');
    expect(readdirSync(join(cwd, 'a'))).toEqual(['diff']);
    // A program that has become the directory, and a layer in what is copied.
    expect(await told('copy', './b', '/etc/passwd', '/bin')).toMatch(/^0 /);
    expect(await told('copy', './b', '/bin/busybox', '/bin/')).toMatch(/^4 (.|\n)*slash: \/bin\//);
    expect(await told('copy', './b', '.', '/x')).toMatch(/^4 .*the layer is in it/);
    expect(readdirSync(join(cwd, 'b/diff'))).toEqual(['bin']);
    // More directories than the name of an image has bytes.
    const many = `a/diff:${'a/diff/bin:'.repeat(500)}x`;
    expect(await told('run', many, './c', ...sh)).toMatch(/^125 .*there is no image/);
  });

  test('what is mounted in a lower directory is neither shown nor looked at', async () => {
    const { root } = machine();
    const cwd = tempDir();
    const script = `mkdir -p a/diff/p && "$1" copy a /bin/busybox /bin/sh && mount -t proc proc a/diff/p &&
      "$1" run ./a/diff ./c /bin/sh -c 'echo /p/*'`;
    const ran = await execa('unshare', ['-m', 'sh', '-c', script, 'sh', WIAC], {
      cwd,
      env: { WIAC_ROOT: root },
    });
    expect(ran.stdout).toBe('/p/*');
  });

  test('two programs run in one container layer at a time, and one that is killed leaves nothing', async () => {
    const { wiac, root } = machine();
    const cwd = tempDir();
    await wiac(['copy', './a', '/bin/busybox', '/bin/sh'], { cwd });
    writeTree(cwd, { 'a/diff/file': 'lower\n' });
    const start = (script: string) => {
      const argv = [WIAC, 'run', './a/diff', './c', '/bin/sh', '-c', script];
      return execa(process.execPath, argv, { cwd, env: { WIAC_ROOT: root }, reject: false });
    };
    // The second line takes overlayfs's work directory: a file of a lower layer is copied up.
    const first = start('echo ready; read line; echo more >> /file && echo first');
    const killed = start('echo ready; read line');
    await Promise.all([first, killed].map(({ stdout }) => printed(stdout, 'ready')));
    const during = readdirSync(join(cwd, 'c/work'));
    killed.kill('SIGKILL');
    await killed;
    const second = await wiac(['run', './a/diff', './c', '/bin/sh', '-c', 'echo x > /x'], { cwd });
    first.stdin?.end('\n');
    const ended = await first;
    expect(during).toHaveLength(2);
    expect(second).toEqual({ exitCode: 0, stdout: '', stderr: '' });
    expect(ended).toMatchObject({ exitCode: 0, stdout: 'ready\nfirst' });
    expect(readdirSync(join(cwd, 'c/work'))).toEqual([]);
    expect(readdirSync(join(cwd, 'c/diff')).sort()).toEqual(['file', 'x']);
  });
});

describe("the script's usage lines are the hints", () => {
  const lines = {
    copy: 'copy <layerdir> <src>... <dst>',
    run: 'run <lowerdirN>[:...:<lowerdir1>] <containerlayer> <entrypoint...>',
    build: 'build <path>',
  };

  test.each([
    [['copy'], 2, lines.copy],
    [['copy', './layer', './src'], 2, lines.copy],
    [['run'], 125, lines.run],
    [['run', '.'], 125, lines.run],
    [['run', '.', './c'], 125, lines.run],
    [['build'], 2, lines.build],
  ])('wiac %s', async (args, exitCode, usage) => {
    const result = await machine().wiac(args, { cwd: tempDir() });
    expect(result).toMatchObject({ exitCode, stdout: '' });
    expect(result.stderr).toContain(`hint: wiac ${usage}\n`);
  });

  test.each(Object.entries(lines))('wiac %s --help', async (command, usage) => {
    const { stdout } = await machine().wiac([command, '--help']);
    expect(stdout.replace('[options] ', '')).toContain(`Usage: wiac ${usage}\n`);
  });

  test.each(['', ' ', ':'])('lower directories that are empty: "%s"', async (lowerdirs) => {
    const result = await machine().wiac(['run', lowerdirs, './c', '/bin/sh'], { cwd: tempDir() });
    expect(result).toMatchObject({ exitCode: 125, stdout: '' });
    expect(result.stderr).toContain('did the build fail?');
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
    const script = 'cat /proc/self/mountinfo; echo ready; read line';
    const command = [WIAC, 'run', stdout.trimEnd(), upper, '/bin/sh', '-c', script];
    // Should the test fail, it goes.
    const options = { cwd, env: { TMPDIR: tmp }, timeout: 60_000 } as const;
    const run = execa(process.execPath, command, { ...options, stdin: 'pipe' });
    await printed(run.stdout, 'ready');
    const own = readdirSync(tmp);
    expect(own).toEqual([expect.stringMatching(/^wiac-run-/)]);
    // What one that was killed has left goes with the next; what lives stays, and what is not ours.
    const killed = execa(process.execPath, command, { ...options, reject: false });
    await printed(killed.stdout, 'ready');
    killed.kill('SIGKILL');
    await killed;
    const kept = ['wiac-run-link', 'wiac-run-other', 'wiac-new-run-1'];
    symlinkSync(upper, join(tmp, 'wiac-run-link'));
    for (const name of kept.slice(1)) mkdirSync(join(tmp, name));
    chownSync(join(tmp, 'wiac-run-other'), 12_345, 12_345);
    expect(readdirSync(tmp)).toHaveLength(5);
    const next = [WIAC, 'run', stdout.trimEnd(), join(tempDir(), 'upper'), '/bin/true'];
    await execa(process.execPath, next, options);
    expect(readdirSync(tmp).sort()).toEqual([...own, ...kept].sort());
    for (const name of kept) rmSync(join(tmp, name), { recursive: true });
    run.stdin.end('\n');
    // Nothing in there tells where the layers are.
    expect((await run).stdout).not.toMatch(new RegExp(`${upper}|${tmp}`));
    expect(readdirSync(tmp)).toEqual([]);
  });
});
