import { existsSync, linkSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { entryPath } from '../../src/fs/directory.js';
import { removeTree } from '../../src/fs/remove.js';
import { openWalker } from '../../src/fs/walker.js';

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
  const walker = openWalker(root);
  mkdirSync(join(root, 'tree'));
  writeFileSync(join(root, 'tree/.moved-1'), '');
  let path = 'tree';
  for (let depth = 0; depth < 3000; depth += 1) {
    mkdirSync(entryPath(walker.at(path), 'd'));
    path += '/d';
    if (depth % 100 === 0) writeFileSync(entryPath(walker.at(path), 'file'), '');
  }
  walker.close();
  removeTree(join(root, 'tree'));
  expect(existsSync(join(root, 'tree'))).toBe(false);
});
