import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { entryPath, listNames, openRoot } from '../../src/fs/directory.js';
import { removeTree } from '../../src/fs/remove-tree.js';
import { openWalker } from '../../src/fs/walker.js';

let root = '';
const openDescriptors = () => readdirSync('/proc/self/fd').length;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'wiac-walker-'));
});
afterEach(() => {
  removeTree(root);
});

test('a symbolic link is no directory, at the end and on the way', () => {
  mkdirSync(join(root, 'real/below'), { recursive: true });
  symlinkSync('real', join(root, 'link'));
  const walker = openWalker(root);
  expect(listNames(walker.at('real'))).toEqual(['below']);
  expect(() => walker.at('link')).toThrow('ENOTDIR');
  expect(() => walker.at('link/below')).toThrow('ENOTDIR');
  walker.close();
});

test('a directory stays the one that was opened, whoever takes its place', () => {
  mkdirSync(join(root, 'a'));
  mkdirSync(join(root, 'outside'));
  writeFileSync(join(root, 'outside/secret'), '');
  const walker = openWalker(join(root));
  const directory = walker.at('a');
  renameSync(join(root, 'a'), join(root, 'moved'));
  symlinkSync('outside', join(root, 'a'));
  expect(listNames(directory)).toEqual([]);
  walker.close();
});

test('names that are paths are refused', () => {
  const directory = openRoot(root);
  for (const name of ['', '.', '..', 'a/b', '../x', 'a\0b'])
    expect(() => entryPath(directory, name)).toThrow('is not the name of a file');
});

test('directories 300 deep, up and down, with few descriptors and none left', () => {
  const before = openDescriptors();
  const walker = openWalker(root);
  let path = '';
  for (let depth = 0; depth < 300; depth += 1) {
    const name = 'd'.repeat(20);
    mkdirSync(entryPath(walker.at(path), name));
    path = path === '' ? name : `${path}/${name}`;
  }
  expect(path.length).toBeGreaterThan(4096);
  expect(openDescriptors() - before).toBeLessThan(80);
  for (let up = path; up !== ''; up = up.slice(0, Math.max(0, up.lastIndexOf('/'))))
    expect(listNames(walker.at(up))).toEqual(up === path ? [] : ['d'.repeat(20)]);
  walker.close();
  expect(openDescriptors()).toBe(before);
});

test('after an error the walker goes on', () => {
  mkdirSync(join(root, 'a/b'), { recursive: true });
  const walker = openWalker(root);
  expect(() => walker.at('a/x/y')).toThrow('ENOENT');
  expect(listNames(walker.at('a'))).toEqual(['b']);
  expect(listNames(walker.at(''))).toEqual(['a']);
  walker.close();
});
