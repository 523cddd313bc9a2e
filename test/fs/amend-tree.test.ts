/** Trees of what was really copied, where that is not what had been digested before. */
import { expect, test } from '@jest/globals';
import { amendTree } from '../../src/fs/scan/amend-tree.js';
import type { TreeEntry } from '../../src/fs/scan/tree.js';
import type { Files } from '../support/memory-tree.js';
import { fileEntry, memoryTrees } from '../support/memory-tree.js';

const FILES = { a: '1', d: { b: '2', e: { c: '3' } }, z: '4' };

function amended(changes: Record<string, TreeEntry | undefined>) {
  const trees = memoryTrees();
  const before = trees.add(FILES);
  const after = amendTree(trees.read, trees.write, before, new Map(Object.entries(changes)));
  return { after, list: trees.list(after) };
}

test.each<[string, Record<string, TreeEntry | undefined>, Files]>([
  ['nothing', {}, FILES],
  ['a file has other content', { a: fileEntry('a', 'x') }, { ...FILES, a: 'x' }],
  ['a file was gone', { z: undefined }, { a: '1', d: FILES.d }],
  [
    'two files of one directory',
    { 'd/b': undefined, 'd/e/c': fileEntry('c', 'x') },
    { a: '1', d: { e: { c: 'x' } }, z: '4' },
  ],
  [
    'a directory was gone, with what was in it',
    { d: undefined, 'd/b': undefined },
    { a: '1', z: '4' },
  ],
  ['what is not in the tree changes nothing', { x: fileEntry('x', ''), 'a/b': undefined }, FILES],
])('%s', (_, changes, expected) => {
  const trees = memoryTrees();
  const { after, list } = amended(changes);
  const tree = trees.add(expected);
  expect(list).toEqual(trees.list(tree));
  expect(after).toBe(tree);
});
