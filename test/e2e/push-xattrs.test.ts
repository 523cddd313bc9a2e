/** Extended attributes of layers that are packed: the files are asked only where the index can't tell, once. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, tempDir, WIAC } from '../support/wiac.js';

const machine = warmMachines();

/** Runs wiac on a store. @returns how often trees were asked for attributes, by its system calls */
async function asked(root: string, ...args: string[]): Promise<number> {
  const trace = join(tempDir(), 'trace');
  const flags = ['-f', '-qq', '-e', 'trace=llistxattr', '-o', trace, '--', process.execPath, WIAC];
  await execa('strace', [...flags, ...args], { env: { WIAC_ROOT: root } });
  // Each tree's own directory is asked first.
  return readFileSync(trace, 'utf8').split('llistxattr(".",').length - 1;
}

async function setAttribute(file: string): Promise<void> {
  await execa('setfattr', ['-n', 'user.note', '-v', 'kept', file]);
}

/** The members of an image's archive that have user.note. */
async function notedIn(archive: string): Promise<string[]> {
  const root = join(tempDir(), 'bundle');
  const layout = join(tempDir(), 'layout');
  await execa('skopeo', ['copy', '-q', `oci-archive:${archive}`, `oci:${layout}:x`]);
  await execa('umoci', ['unpack', '--image', `${layout}:x`, root]);
  const { stdout } = await execa('getfattr', ['-R', '-n', 'user.note', '.'], {
    cwd: join(root, 'rootfs'),
    reject: false,
  });
  const noted = stdout.split('\n').filter((line) => line.startsWith('# file: '));
  return noted.map((line) => line.slice('# file: '.length));
}

/** Packs the image of a context. @returns how often trees were asked, and which members have user.note */
async function pack(directory: string) {
  const { root, build } = machine();
  await build(directory);
  const archive = join(tempDir(), 'image.tar');
  // The step is in the cache: nothing but the output is made.
  const times = await asked(root, 'build', '-q', '-o', `type=oci,dest=${archive}`, directory);
  return { asked: times, noted: await notedIn(archive) };
}

const FILES = { 'src/a': 'a', 'src/deep/er/b': 'b', 'src/deep/c': 'c' };

test('a COPY of files without any is packed without asking', async () => {
  const directory = context({ Dockerfile: 'FROM scratch\nCOPY src /src\n', ...FILES });
  expect(await pack(directory)).toEqual({ asked: 0, noted: [] });
});

// U+2028 ends a line for some, and JSON has it as it is.
test.each(['src/deep/er/b', 'src/a\u2028b/c'])('one file deep down has one: %s', async (file) => {
  const directory = context({
    Dockerfile: 'FROM scratch\nCOPY src /src\n',
    ...FILES,
    [file]: 'b',
  });
  await setAttribute(join(directory, file));
  const { asked, noted } = await pack(directory);
  expect({ asked, noted: noted.length }).toEqual({ asked: 1, noted: 1 });
});

test('a name that looks like one costs no more than asking', async () => {
  const name = 'src/x,[["user.note","00"]]';
  const directory = context({
    Dockerfile: 'FROM scratch\nCOPY src /src\n',
    ...FILES,
    [name]: 'x',
  });
  expect(await pack(directory)).toEqual({ asked: 1, noted: [] });
});

test('archives and stages may have any', async () => {
  const directory = context({ Dockerfile: 'FROM scratch\nADD all.tar /\n', ...FILES });
  await setAttribute(join(directory, 'src/a'));
  await execa('tar', ['--xattrs', '-cf', 'all.tar', 'src'], { cwd: directory });
  expect(await pack(directory)).toEqual({ asked: 1, noted: ['src/a'] });
  const stages =
    'FROM scratch AS files\nADD all.tar /\nFROM scratch\nCOPY --from=files /src /copied\n';
  writeFileSync(join(directory, 'Dockerfile'), stages);
  expect(await pack(directory)).toEqual({ asked: 1, noted: ['copied/a'] });
});

test('an archive that gives its files none is known not to', async () => {
  const directory = context({ Dockerfile: 'FROM scratch\nADD all.tar /\n', ...FILES });
  await execa('tar', ['-cf', 'all.tar', 'src'], { cwd: directory });
  expect(await pack(directory)).toEqual({ asked: 0, noted: [] });
});

test('what a program left is asked when it has ended, and not again', async () => {
  const run = 'RUN rm -r /src/deep && mkdir /src/deep && echo > /src/deep/new';
  const directory = context({ Dockerfile: dockerfile('COPY src /src', run), ...FILES });
  expect(await pack(directory)).toEqual({ asked: 0, noted: [] });
});

test.each([
  ['none', false, { asked: 0, noted: [] }],
  ['one', true, { asked: 1, noted: ['src/a'] }],
])('a pulled layer whose archive gave its files %s, packed again', async (_, one, expected) => {
  const directory = context({ Dockerfile: 'FROM scratch\nADD all.tar /\n', ...FILES });
  if (one) await setAttribute(join(directory, 'src/a'));
  await execa('tar', ['--xattrs', '-cf', 'all.tar', 'src'], { cwd: directory });
  const archive = join(tempDir(), 'image.tar');
  await machine().build(directory, '-o', `type=oci,dest=${archive}`);
  const { wiac, root } = machine();
  const pulled = await wiac(['pull', `oci-archive:${archive}`, '--tag', 'pulled']);
  expect(pulled).toMatchObject({ exitCode: 0 });
  rmSync(join(root, 'blobs'), { recursive: true });
  const again = join(tempDir(), 'again.tar');
  const times = await asked(root, 'push', 'pulled', `oci-archive:${again}`);
  expect({ asked: times, noted: await notedIn(again) }).toEqual(expected);
});

test("labels of this machine's SELinux are no attributes of a layer", async () => {
  const directory = context({ Dockerfile: 'FROM scratch\nADD all.tar /\n', ...FILES });
  await setAttribute(join(directory, 'src/a'));
  await execa('setfattr', ['-n', 'security.selinux', '-v', 'label', join(directory, 'src/a')]);
  await execa('setfattr', ['-n', 'security.selinux', '-v', 'label', join(directory, 'src/deep/c')]);
  await execa('tar', ['--xattrs', '--xattrs-include=*', '-cf', 'all.tar', 'src'], {
    cwd: directory,
  });
  const { wiac } = machine();
  const archive = join(tempDir(), 'image.tar');
  await wiac(['build', '-q', '-o', `type=oci,dest=${archive}`, directory]);
  const layout = tempDir();
  await execa('tar', ['-xf', archive, '-C', layout]);
  const blobs = join(layout, 'blobs/sha256');
  const texts = readdirSync(blobs).map((name) => {
    const blob = readFileSync(join(blobs, name));
    return (blob[0] === 0x1f ? gunzipSync(blob) : blob).toString('latin1');
  });
  expect(texts.join('')).toContain('SCHILY.xattr.user.note=kept');
  expect(texts.join('')).not.toContain('selinux');
});

test('what --no-cache made is judged by what it was made from', async () => {
  const directory = context({ Dockerfile: 'FROM scratch\nCOPY src /src\n', ...FILES });
  const { root, build } = machine();
  await build(directory, '-t', 'former');
  await build(directory, '-t', 'newer', '--no-cache');
  const archive = join(tempDir(), 'image.tar');
  expect(await asked(root, 'push', 'newer', `oci-archive:${archive}`)).toBe(0);
  // Its entry is that of the newer layer now.
  expect(await asked(root, 'push', 'former', `oci-archive:${archive}`)).toBe(1);
});
