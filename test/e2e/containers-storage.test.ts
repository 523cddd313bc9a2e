/** Images of buildah and podman, used where they are. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { buildahImage } from '../support/registry.js';
import { describeLayers, describeTree } from '../support/tree.js';
import { warmMachines } from '../support/warm-command.js';
import { context, getOutput, mountsBelow, ranSteps, tempDir, WIAC } from '../support/wiac.js';

const machine = warmMachines();

const BASE = [
  'RUN mkdir -p /etc /d && touch /gone /d/hidden && echo text > /etc/f && chmod 4755 /bin/busybox',
  'RUN rm /gone && rm -r /d && mkdir /d && touch /d/shown',
  'ENV BASE=yes',
  'CMD ["/bin/echo", "from the base"]',
];

const built = mkdtempSync(join(tmpdir(), 'wiac-storage-'));
beforeAll(async () => {
  for (const driver of ['overlay', 'vfs'] as const) {
    const { graphRoot } = await buildahImage(BASE, driver);
    await execa('cp', ['-a', graphRoot, join(built, driver)]);
  }
});
afterAll(() => rmSync(built, { recursive: true }));

/** A storage with the image `base`, for this test alone. */
async function getStorage(driver: 'overlay' | 'vfs'): Promise<string> {
  const graphRoot = join(tempDir(), 'storage');
  await execa('cp', ['-a', join(built, driver), graphRoot]);
  return graphRoot;
}

/** Everything of a directory that a write would change. */
async function getState(directory: string): Promise<string> {
  const format = '%P %i %n %C@ %T@ %s %m\n';
  return (await execa('find', [directory, '-printf', format])).stdout;
}

describe.each(['overlay', 'vfs'] as const)('the driver %s', (driver) => {
  test('FROM, COPY --from, run, push: nothing is copied, nothing is written there', async () => {
    const graphRoot = await getStorage(driver);
    const reference = `containers-storage:[${driver}@${graphRoot}]base`;
    const before = await getState(graphRoot);
    const made = machine();
    const { wiac, root } = made;
    expect(await wiac(['run', reference])).toEqual({
      exitCode: 0,
      stdout: 'from the base\n',
      stderr: '',
    });
    const Dockerfile = `FROM ${reference}\nRUN ls -d /d/* /gone; echo $BASE > /new\nCOPY --from=${reference} /etc/f /copied\n`;
    const directory = context({ Dockerfile });
    const { lowerdirs, events } = await made.build(directory, '-t', 'top', '--jobs=1');
    expect(getOutput(events)).toEqual(['ls: /gone: No such file or directory', '/d/shown']);
    expect(ranSteps((await made.build(directory)).events)).toEqual([]);
    const files = (
      await execa('find', [
        join(root, 'layers'),
        '-path',
        '*/diff/*',
        '-type',
        'f',
        '-printf',
        '%f\n',
      ])
    ).stdout;
    expect(files.split('\n').sort()).toEqual(['copied', 'new']);
    const shells = (await execa('find', [graphRoot, '-name', 'busybox', '-printf', '%i\n'])).stdout;
    const lowest = statSync(join(lowerdirs.split(':').at(-1) ?? '', 'bin/busybox'));
    expect(shells.split('\n')).toContain(String(lowest.ino));
    const cat = ['/bin/cat', '/copied', '/new'];
    expect((await wiac(['run', lowerdirs, tempDir(), ...cat])).stdout).toBe('text\nyes\n');
    expect((await wiac(['run', 'top', ...cat])).stdout).toBe('text\nyes\n');

    const layout = join(tempDir(), 'layout');
    expect(await wiac(['push', 'top', `oci-layout://${layout}:top`])).toMatchObject({
      exitCode: 0,
    });
    const bundle = join(tempDir(), 'bundle');
    await execa('umoci', ['unpack', '--image', `${layout}:top`, bundle]);
    expect(describeTree(join(bundle, 'rootfs'))).toEqual(await describeLayers(lowerdirs));
    const verified = await wiac(['cache', 'verify', '--deep']);
    expect(verified).toMatchObject({ exitCode: 0 });
    expect(await getState(graphRoot)).toBe(before);
    expect(mountsBelow(graphRoot)).toEqual([]);
  });
});

test('a name may be kept without a copy; what is dropped here stays there', async () => {
  const graphRoot = await getStorage('overlay');
  const env = { CONTAINERS_STORAGE: graphRoot };
  const { wiac } = machine();
  const pulled = await wiac(['pull', 'containers-storage:base', '-t', 'mine'], { env });
  expect(pulled).toMatchObject({ exitCode: 0, stderr: '' });
  expect((await wiac(['run', 'mine', '/bin/cat', '/etc/f'])).stdout).toBe('text\n');
  const usage = JSON.parse((await wiac(['cache', 'du', '--format=json'])).stdout);
  expect(usage).toMatchObject({ layers: 0, bytes: 0, images: 1 });
  expect(await wiac(['cache', 'verify'])).toMatchObject({ exitCode: 0 });
  const [layer = ''] = readdirSync(join(graphRoot, 'overlay')).filter((name) => name.length === 64);
  writeFileSync(join(graphRoot, 'overlay', layer, 'diff/changed'), '');
  const before = await getState(graphRoot);
  expect((await wiac(['cache', 'verify', '--repair'])).stdout).toContain('added changed');
  expect((await wiac(['images', '-q'])).stdout).toBe('');
  expect(await getState(graphRoot)).toBe(before);
});

test('the example of docs/images.md: the directories that podman names, a container layer, a command', async () => {
  const graphRoot = await getStorage('overlay');
  const line = /^wiac run .*podman image inspect.*$/m.exec(
    readFileSync('docs/images.md', 'utf8'),
  )?.[0];
  expect(line).toBeDefined();
  const bin = tempDir();
  const storage = `--root ${graphRoot} --runroot ${join(bin, 'run')} --storage-driver overlay`;
  const podman = (await execa('sh', ['-c', 'command -v podman'])).stdout;
  const programs = { podman: `${podman} ${storage}`, wiac: `${process.execPath} ${WIAC}` };
  for (const [name, command] of Object.entries(programs))
    writeFileSync(join(bin, name), `#!/bin/sh\nexec ${command} "$@"\n`, { mode: 0o755 });
  const command = (line ?? '').replace('NAME', 'base');
  const { stdout } = await execa(
    'sh',
    ['-c', `${command} -c 'ls /d; test -e /gone || echo x > /etc/g'`],
    { cwd: bin, env: { PATH: `${bin}:${process.env.PATH}`, WIAC_ROOT: join(bin, 'store') } },
  );
  expect(stdout).toBe('shown');
  expect(readFileSync(join(bin, 'data/containerlayer/diff/etc/g'), 'utf8')).toBe('x\n');
});

describe('what is not there', () => {
  test('no storage, no such image', async () => {
    const { wiac } = machine();
    const empty = tempDir();
    const nothing = await wiac(['pull', `containers-storage:[overlay@${empty}]base`]);
    expect(nothing).toMatchObject({ exitCode: 11, stdout: '' });
    expect(nothing.stderr).toContain('CONTAINERS_STORAGE');
    const graphRoot = await getStorage('overlay');
    const env = { CONTAINERS_STORAGE: graphRoot };
    const mistyped = await wiac(['pull', 'containers-storage:bsae'], { env });
    expect(mistyped).toMatchObject({ exitCode: 11, stdout: '' });
    expect(mistyped.stderr).toContain('did you mean base');
    const driver = await wiac(['pull', `containers-storage:[btrfs@${graphRoot}]base`]);
    expect(driver).toMatchObject({ exitCode: 9, stderr: expect.stringContaining('skopeo copy') });
  });

  test('a damaged image: which part, and what to do', async () => {
    const graphRoot = await getStorage('overlay');
    const env = { CONTAINERS_STORAGE: graphRoot };
    const made = machine();
    const directory = context({ Dockerfile: 'FROM containers-storage:base\nRUN echo x > /x\n' });
    expect(await made.wiac(['build', '-t', 'top', directory], { env })).toMatchObject({
      exitCode: 0,
    });
    const layers = readdirSync(join(graphRoot, 'overlay')).filter((name) => name.length === 64);
    const gone = join(graphRoot, 'overlay', layers[0] ?? '', 'diff');
    rmSync(gone, { recursive: true });
    for (const args of [
      ['build', directory],
      ['pull', 'containers-storage:base'],
    ]) {
      const { exitCode, stderr } = await made.wiac(args, { env });
      expect({ args, exitCode }).toEqual({ args, exitCode: 11 });
      expect(stderr).toContain(`the directory ${gone} is missing`);
      expect(stderr).toContain('hint: pull or build it again');
    }
    // What was built on it is in the store, and can't be used either.
    const ran = await made.wiac(['run', 'top', '/bin/true']);
    expect(ran).toMatchObject({ exitCode: 125, stderr: expect.stringContaining(gone) });
    const above = context({ Dockerfile: 'FROM top\nRUN echo y > /y\n' });
    expect(await made.wiac(['build', above])).toMatchObject({
      exitCode: 7,
      stderr: expect.stringContaining(gone),
    });
    const repaired = await made.wiac(['cache', 'verify', '--repair']);
    expect(repaired.stdout + repaired.stderr).toContain('its directory is missing');
    expect((await made.wiac(['images', '-q'])).stdout).toBe('');

    const images = join(graphRoot, 'overlay-images');
    const config = (await execa('find', [images, '-name', '=c2hhMjU2*'])).stdout.split('\n');
    for (const file of config) writeFileSync(file, '{}');
    const damaged = await made.wiac(['pull', 'containers-storage:base'], { env });
    expect(damaged).toMatchObject({ exitCode: 11, stderr: expect.stringContaining('its config') });
    writeFileSync(join(images, 'images.json'), '[{');
    expect(await made.wiac(['pull', 'containers-storage:base'], { env })).toMatchObject({
      exitCode: 11,
      stderr: expect.stringContaining('images.json is damaged'),
    });
  });
});

test('an additional store of storage.conf is looked into as well', async () => {
  const graphRoot = await getStorage('overlay');
  const own = tempDir();
  mkdirSync(join(own, 'overlay-images'));
  writeFileSync(join(own, 'overlay-images/images.json'), '[]');
  const conf = join(tempDir(), 'storage.conf');
  writeFileSync(
    conf,
    `[storage]\ndriver = "overlay"\ngraphroot = "${own}"\n[storage.options]\nadditionalimagestores = [\n  "${graphRoot}",\n]\n`,
  );
  const env = { CONTAINERS_STORAGE_CONF: conf };
  const { wiac } = machine();
  expect((await wiac(['run', 'containers-storage:base'], { env })).stdout).toBe('from the base\n');
});
