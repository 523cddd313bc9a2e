import { expect, test } from '@jest/globals';
import { treeLookup } from '../../src/fs/scan/tree-lookup.js';
import type { TreeDigest } from '../../src/keys/digest.js';
import { memoryTrees } from '../support/memory-tree.js';

const trees = memoryTrees();
const ROOT = trees.add({ a: '1', d: { b: '2', e: { c: '3' } } });

test('finds files and directories by their paths', () => {
  const find = treeLookup(trees.text, ROOT);
  expect(find('a')).toMatchObject({ type: 'file', name: 'a' });
  expect(find('d/e')).toMatchObject({ type: 'dir', name: 'e' });
  expect(find('d/e/c')).toMatchObject({ type: 'file', name: 'c' });
});

test.each(['x', 'd/x', 'a/b', 'x/y', 'd/e/c/f', ''])('there is nothing at "%s"', (path) => {
  expect(treeLookup(trees.text, ROOT)(path)).toBe(undefined);
});

test('each node is read once, and only when it is on the way', () => {
  const asked: TreeDigest[] = [];
  const find = treeLookup((digest) => {
    asked.push(digest);
    return trees.text(digest);
  }, ROOT);
  for (const path of ['a', 'd/b', 'd/b', 'd/x', 'a']) find(path);
  expect(asked).toHaveLength(2);
});

test('below a node that is not known there is nothing', () => {
  const missing = treeLookup(() => undefined, ROOT);
  expect(missing('a')).toBe(undefined);
  expect(missing('d/b')).toBe(undefined);
});
