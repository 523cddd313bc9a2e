/** Directories of many files that are as they were: wiac-sys links them from the former layer. */
import {
  appendFileSync,
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { measureTree } from '../../src/fs/layer/disk-usage.js';
import { layerSource } from '../../src/fs/layer/layer-digest.js';
import type { Subtree } from '../../src/fs/layer/place-subtrees.js';
import { placeWhole } from '../../src/fs/layer/place-subtrees.js';
import type { Scanned } from '../../src/fs/scan/listing.js';
import { listSingle, listTree } from '../../src/fs/scan/listing.js';
import type { TreeDigest } from '../../src/keys/digest.js';
import { describeTree } from '../support/tree.js';
import { warmMachines } from '../support/warm-command.js';
import { tempDir, writeTree } from '../support/wiac.js';

const machine = warmMachines();

/** Enough for a request (src/fs/layer/place-subtrees.ts). */
const DIRECTORIES = 6;
const FILES = 500;

function largeContext(): string {
  const root = tempDir();
  writeTree(root, { Dockerfile: 'FROM scratch\nCOPY src /opt/src\n' });
  for (let directory = 0; directory < DIRECTORIES; directory += 1) {
    const path = join(root, `src/d${directory}/below`);
    mkdirSync(path, { recursive: true });
    for (let file = 0; file < FILES; file += 1)
      writeFileSync(join(path, `f${file}`), `${directory}.${file}\n`);
  }
  chmodSync(join(root, 'src/d3'), 0o1750);
  writeTree(root, { 'src/d4/link': '-> below/f1' });
  return root;
}

const inode = (layer: string, path: string) => lstatSync(join(layer, 'opt/src', path)).ino;

describe('one file of 3,000 changed', () => {
  test('the layer is what a build from nothing makes; what did not change is linked', async () => {
    const { build, wiac } = machine();
    const root = largeContext();
    const noted = ['d2/below', 'd3'];
    for (const path of noted)
      await execa('setfattr', ['-n', 'user.note', '-v', path, join(root, 'src', path)]);
    const { lowerdirs: former } = await build(root);
    await execa('setfattr', ['-n', 'user.note', '-v', 'kept', join(root, 'src/d5/below/f0')]);
    appendFileSync(join(root, 'src/d0/below/f7'), 'changed\n');
    chmodSync(join(root, 'src/d1'), 0o700);
    const { lowerdirs: layer, events } = await build(root);
    const { lowerdirs: fresh } = await machine().build(root);

    expect(describeTree(layer)).toEqual(describeTree(fresh));
    for (const path of ['d2/below/f0', 'd3/below/f499', 'd4/link', 'd0/below/f6', 'd1/below/f0'])
      expect([path, inode(layer, path)]).toEqual([path, inode(former, path)]);
    for (const path of ['d0/below/f7', 'd5/below/f0'])
      expect([path, inode(layer, path)]).not.toEqual([path, inode(former, path)]);
    expect(lstatSync(join(former, 'opt/src/d1')).mode & 0o7777).toBe(0o755);
    const note = ['--only-values', '-n', 'user.note', join(layer, 'opt/src/d5/below/f0')];
    expect((await execa('getfattr', ['--absolute-names', ...note])).stdout).toBe('kept');
    for (const path of noted) {
      const args = ['--absolute-names', '--only-values', '-n', 'user.note'];
      for (const each of [former, layer])
        expect((await execa('getfattr', [...args, join(each, 'opt/src', path)])).stdout).toBe(path);
    }

    expect(events.find(({ type }) => type === 'finished')).toMatchObject({
      linked: DIRECTORIES * FILES + 1 - 2,
    });
    const listed = await wiac(['cache', 'ls', '--format', 'json']);
    const rows = JSON.parse(listed.stdout) as Record<string, unknown>[];
    const row = rows.find((entry) => String(layer).endsWith(String(entry.layer)));
    const { files, bytes } = measureTree(realpathSync(layer));
    expect(row).toMatchObject({ files, bytes });
    expect((await wiac(['cache', 'verify', '--deep'])).exitCode).toBe(0);
  });

  test('what can not be linked is copied', async () => {
    const { build } = machine();
    const root = largeContext();
    const { lowerdirs: former } = await build(root);
    rmSync(join(former, 'opt/src/d2'), { recursive: true });
    rmSync(join(former, 'opt/src/d5/below/f3'));
    appendFileSync(join(root, 'src/d0/below/f7'), 'changed\n');
    const { lowerdirs: layer } = await build(root);
    const { lowerdirs: fresh } = await machine().build(root);
    expect(describeTree(layer)).toEqual(describeTree(fresh));
  });
});

describe('what wiac-sys links', () => {
  async function subtree(root: string, path: string): Promise<Subtree> {
    const found = { root, stats: lstatSync(join(root, path)) };
    const [listed] = listSingle(path, path, found).getChildren();
    const directory = await listTree(layerSource(root), path);
    const digest = '' as TreeDigest;
    const from = { root, path, how: 'link' } as const;
    return {
      path,
      within: path,
      listed: { ...(listed as Scanned), directory },
      digest,
      xattrs: [],
      from,
    };
  }

  test('directories that are whole; of one that lacks a file nothing is left', async () => {
    const former = tempDir();
    const layer = tempDir();
    writeTree(former, {
      'whole/a': '1',
      'whole/below/b': '2',
      'whole/two\nlines': '5',
      'torn/a': '3',
      'torn/c': '4',
    });
    const subtrees = await Promise.all(['whole', 'torn'].map((path) => subtree(former, path)));
    rmSync(join(former, 'torn/c'));
    const failed = await placeWhole(layer, subtrees);
    expect(failed).toEqual(subtrees.slice(1));
    expect(readdirSync(layer)).toEqual(['whole']);
    expect(describeTree(join(layer, 'whole'))).toEqual(describeTree(join(former, 'whole')));
  });
});
