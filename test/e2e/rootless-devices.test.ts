/** Devices in images and archives, for a user who can't make them. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from '@jest/globals';
import type { Mode } from '../support/rootless.js';
import { getMachine, ordinaryUser, stepOutput, wiacAs } from '../support/rootless.js';
import { context, dockerfile, sharedDir, tempDir } from '../support/wiac.js';

/** Files of a Debian that has devices, and one that says of itself, as wiac does, that it is a device. */
const MAKE = `
cd "$1"
mkdir nodes
cd nodes
mknod -m 0640 null c 1 3; mknod -m 0600 disk b 259 70000; mknod written c 5 1; mknod gone c 1 5; mknod moved c 1 7
mkfifo pipe; ln null linked; touch claimed
chown 5:6 disk
setfattr -n user.wiac.device -v 'c 259' claimed
tar -C "$1" --xattrs --xattrs-include='*' -cf "$2/rootfs.tar" nodes
tar -C "$1" --exclude=claimed -cf "$2/plain.tar" nodes`;

const LINES = [
  'ADD rootfs.tar /',
  'RUN cd nodes && stat -c "%n %F %s" null && chmod 0444 null && chown 7 disk && rm gone && /bin/busybox mv moved there && { echo text >written || { rm written; echo text >written; }; } 2>/dev/null',
  'COPY --from=0 /nodes /others/nodes',
];

let archives: string;

beforeAll(() => {
  const directory = sharedDir();
  const tree = join(directory, 'tree');
  mkdirSync(tree);
  archives = directory;
  execFileSync('sh', ['-ec', MAKE, 'sh', tree, directory]);
});

function devicesContext(...lines: string[]): string {
  const before = ['FROM scratch', 'ADD rootfs.tar /', ''].join('\n');
  const root = context({ Dockerfile: before + dockerfile(...lines) });
  for (const name of ['rootfs.tar', 'plain.tar'])
    copyFileSync(join(archives, name), join(root, name));
  return root;
}

/** What an archive holds, as tar(1) lists it, without times. */
function listed(file: string): string[] {
  const lines = execFileSync('tar', ['-tvf', file, '--numeric-owner'], { encoding: 'utf8' });
  return lines
    .split('\n')
    .filter((line) => line.includes('nodes/'))
    .map((line) => line.replace(/ \d{4}-\d\d-\d\d \d\d:\d\d/, '').replace(/ +/g, ' '))
    .sort();
}

test('an ordinary user writes the devices that root writes', async () => {
  const root = devicesContext(...LINES);
  const written = async (user: Mode['user']) => {
    const made = getMachine(user);
    const file = join(made.tmp, 'tree.tar');
    const output = await stepOutput(made, root, ['-o', `type=tar,dest=${file}`]);
    const verified = await wiacAs(made, ['cache', 'verify']);
    expect(verified).toMatchObject({ exitCode: 0 });
    const again = await stepOutput(made, root, ['-o', `type=tar,dest=${file}`]);
    expect(again).toEqual([]);
    return { output, files: listed(file) };
  };
  const [ofRoot, ofUser] = [await written('root'), await written('ordinary')];
  expect(ofUser.files).toEqual(ofRoot.files);
  expect(ofUser.files).toContain('brw------- 7/6 259,70000 nodes/disk');
  expect(ofUser.files).toContain('crw-r----- 0/0 1,3 others/nodes/null');
  expect(ofRoot.output).toEqual(['null character special file 0']);
  expect(ofUser.output).toEqual(['null regular empty file 0']);
});

/** The only manifest of a layout. */
function manifestOf(layout: string): string {
  return JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')).manifests[0].digest;
}

test('an image with devices comes from root, and goes on as it came', async () => {
  const [maker, user] = [getMachine('root'), getMachine('ordinary')];
  const shared = tempDir();
  chmodSync(shared, 0o755);
  const layout = join(shared, 'layout');
  await stepOutput(maker, devicesContext('ADD plain.tar /'), [
    '-o',
    `type=oci,dest=${layout},tar=false`,
  ]);
  expect(await wiacAs(user, ['pull', '-t', 'base', `oci-layout://${layout}`])).toMatchObject({
    exitCode: 0,
  });
  const pushed = join(user.tmp, 'pushed');
  expect(await wiacAs(user, ['push', 'base', `oci-layout://${pushed}`])).toMatchObject({
    exitCode: 0,
  });
  expect(manifestOf(pushed)).toBe(manifestOf(layout));
  // Its archive is made from its files, once the blob is gone.
  for (const name of readdirSync(join(user.root, 'blobs/sha256')))
    execFileSync('rm', ['-r', join(user.root, 'blobs/sha256', name)]);
  const packed = join(user.tmp, 'packed');
  expect(await wiacAs(user, ['push', 'base', `oci-layout://${packed}`])).toMatchObject({
    exitCode: 0,
  });
  expect(manifestOf(packed)).toBe(manifestOf(layout));
});

test('a directory outside of the store gets no files in their place', async () => {
  const made = getMachine('ordinary');
  const to = join(made.tmp, 'to');
  await stepOutput(made, devicesContext('ADD rootfs.tar /'), ['-o', `type=local,dest=${to}`]);
  expect(readdirSync(join(to, 'nodes')).sort()).toEqual(['claimed', 'pipe']);
  expect(existsSync(join(to, 'bin/sh'))).toBe(true);
});

test.each(['mknod node c 1 3', 'mkfifo node', 'touch node'])(
  'who has no ranges hears that they are lacking: %s',
  async (make) => {
    const tree = tempDir();
    const root = context({ Dockerfile: dockerfile('ADD foreign.tar /') });
    const pack = `${make}; chown 0:6 node; tar -cf "$1" node`;
    execFileSync('sh', ['-ec', pack, 'sh', join(root, 'foreign.tar')], { cwd: tree });
    chmodSync(root, 0o755);
    const { command, env, home } = ordinaryUser({ ranges: false });
    const poor = { command, env, root: join(home, 'store'), tmp: join(home, 'tmp') };
    const { exitCode, stderr } = await wiacAs(poor, ['build', root]);
    expect(exitCode).toBe(4);
    expect(stderr).toMatch(
      /^hint: .*in your user namespace: give your user ranges in \/etc\/subuid/m,
    );
  },
);
