import { existsSync, linkSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { closeDirectory, entryPath, openDirectory, openRoot } from '../../src/fs/directory.js';
import { removeTree } from '../../src/fs/remove-tree.js';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'wiac-remove-'));
});
afterEach(() => {
  removeTree(root);
  expect(existsSync(root)).toBe(false);
});

test('what a symbolic link leads to stays', () => {
  mkdirSync(join(root, 'outside'));
  writeFileSync(join(root, 'outside/kept'), 'kept');
  mkdirSync(join(root, 'tree'));
  symlinkSync('../outside', join(root, 'tree/link'));
  removeTree(join(root, 'tree'));
  symlinkSync('outside', join(root, 'link'));
  removeTree(join(root, 'link'));
  expect(existsSync(join(root, 'tree'))).toBe(false);
  expect(existsSync(join(root, 'link'))).toBe(false);
  expect(existsSync(join(root, 'outside/kept'))).toBe(true);
});

test('says what was freed: a file with another name gives nothing back', () => {
  mkdirSync(join(root, 'tree'));
  writeFileSync(join(root, 'tree/own'), Buffer.alloc(8192, 'x'));
  writeFileSync(join(root, 'shared'), Buffer.alloc(8192, 'x'));
  linkSync(join(root, 'shared'), join(root, 'tree/shared'));
  const freed = removeTree(join(root, 'tree'));
  expect(freed).toBeGreaterThanOrEqual(8192);
  expect(freed).toBeLessThan(2 * 8192 + 1);
  expect(removeTree(join(root, 'tree'))).toBe(0);
});

test('3,000 directories within each other, with a sibling that has the name of one moved up', () => {
  mkdirSync(join(root, 'tree'));
  writeFileSync(join(root, 'tree/.moved-1'), '');
  let directory = openRoot(join(root, 'tree'));
  for (let depth = 0; depth < 3000; depth += 1) {
    mkdirSync(entryPath(directory, 'd'));
    const next = openDirectory(directory, 'd');
    closeDirectory(directory);
    directory = next;
    if (depth % 100 === 0) writeFileSync(entryPath(directory, 'file'), '');
  }
  closeDirectory(directory);
  removeTree(join(root, 'tree'));
  expect(existsSync(join(root, 'tree'))).toBe(false);
});
