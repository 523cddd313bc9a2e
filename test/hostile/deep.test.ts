/** Directories as deep, and paths as long, as a file system allows; no tool takes them by their path. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { removeTree } from '../../src/fs/remove-tree.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, tempDir } from '../support/wiac.js';

const machine = warmMachines();

const DEPTH = 900;

/** Makes directories within each other, with a file and an extended attribute here and there. */
async function makeDeep(root: string): Promise<void> {
  const script = `
    chdir $ARGV[0] or die;
    for my $depth (1 .. ${DEPTH}) {
      my $name = 'd' x 8;
      mkdir $name or die; chdir $name or die;
      next if $depth % 100;
      open my $file, '>', "f$depth" or die; print $file $depth; close $file;
      system('setfattr', '-n', 'user.depth', '-v', $depth, "f$depth") == 0 or die;
    }`;
  await execa('perl', ['-e', script, root]);
}

/** Every file of a deep tree with its attribute, by find(1) and getfattr(1), which walk it. */
async function summary(root: string): Promise<string> {
  const script =
    'find . -type f -execdir sh -c \'echo "$1 $(cat "$1") $(getfattr --only-values -n user.depth "$1" 2>/dev/null)"\' sh {} \\;';
  const { stdout } = await execa('bash', ['-c', script], { cwd: root });
  return stdout.split('\n').sort().join('\n');
}

test('built, exported, pushed, pulled, verified and removed; nothing is left', async () => {
  const root = context({
    Dockerfile: [
      dockerfile(
        'COPY deep /deep',
        // mv(1) of short paths: each time one directory more is put around it.
        `RUN mkdir /made; echo end > /made/f; i=0; while [ $i -lt ${DEPTH} ]; do mkdir /w; mv /made /w/dddddddd; mv /w /made; i=$((i+1)); done`,
      ),
      'FROM scratch\nCOPY --from=0 /deep /deep\nCOPY --from=0 /made /made\n',
    ].join('\n'),
    'bin/mv': '-> busybox',
  });
  await execa('mkdir', [join(root, 'deep')]);
  try {
    await makeDeep(join(root, 'deep'));
    const out = join(tempDir(), 'out');
    const archive = join(tempDir(), 'deep.tar');
    const { root: store, wiac, build } = machine();
    const ok = async (...args: string[]) => {
      const { exitCode, stderr } = await wiac(args);
      expect({ args, exitCode, stderr: stderr.slice(0, 500) }).toMatchObject({ exitCode: 0 });
    };
    await ok('build', '-t', 'deep', '-o', `type=local,dest=${out}`, root);
    const expected = await summary(join(root, 'deep'));
    expect(expected.split('\n')).toHaveLength(DEPTH / 100);
    expect(await summary(join(out, 'deep'))).toBe(expected);
    // One file more: the rest is linked or copied, and compared with what is there.
    writeFileSync(join(root, 'deep/new'), '');
    await build(root, '-t', 'deep2', '-o', `type=oci,dest=${archive}`);
    await ok('cache', 'verify', '--deep');
    const other = machine();
    expect((await other.wiac(['pull', `oci-archive:${archive}`, '-t', 'deep'])).exitCode).toBe(0);
    const pulled = join(tempDir(), 'pulled');
    const again = context({ Dockerfile: 'FROM deep\n' });
    await other.build(again, '-o', `type=local,dest=${pulled}`);
    expect(await summary(join(pulled, 'deep'))).toBe(await summary(join(root, 'deep')));
    await ok('rmi', 'deep', 'deep2');
    await ok('cache', 'prune', '--all');
    for (const place of ['layers', 'tmp', 'l']) expect(readdirSync(join(store, place))).toEqual([]);
    removeTree(out);
    removeTree(pulled);
    removeTree(other.root);
  } finally {
    removeTree(join(root, 'deep'));
  }
  expect(existsSync(join(root, 'deep'))).toBe(false);
}, 300_000);

test('deeper than wiac goes: a clear error, and what a step made is gone', async () => {
  const { root: store, wiac } = machine();
  const script =
    'mkdir /made; i=0; while [ $i -lt 1300 ]; do mkdir /w; mv /made /w/d; mv /w /made; i=$((i+1)); done';
  const root = context({ Dockerfile: dockerfile(`RUN ${script}`), 'bin/mv': '-> busybox' });
  const { exitCode, stderr } = await wiac(['build', root]);
  expect({ exitCode, stderr }).toMatchObject({
    exitCode: 9,
    stderr: expect.stringContaining('nested more than 1200 deep'),
  });
  expect(readdirSync(join(store, 'tmp'))).toEqual([]);
});
