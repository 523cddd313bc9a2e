/** Listing changes the current directory for a moment. */
import { readlinkSync, rmdirSync } from 'node:fs';
import { afterEach, expect, test } from '@jest/globals';
import { listTree } from '../../src/fs/scan/listing.js';
import { openContext } from '../../src/fs/scan/local-context.js';
import { tempDir, writeTree } from '../support/wiac.js';

const home = process.cwd();
afterEach(() => process.chdir(home));

function listed(): readonly string[] {
  const root = tempDir();
  writeTree(root, { 'a/b/c': '1', d: '2' });
  const { names, subdirectories } = listTree(openContext(root, undefined), '');
  return [...names, ...(subdirectories.get('a')?.subdirectories.get('b')?.names ?? [])];
}

test('the current directory is what it was', () => {
  expect(listed()).toEqual(['a', 'd', 'c']);
  expect(process.cwd()).toBe(home);
});

test('one that has been removed is no obstacle, and is not left', () => {
  const gone = tempDir();
  process.chdir(gone);
  // Node remembers what it is called.
  expect(process.cwd()).toContain(gone);
  rmdirSync(gone);
  expect(listed()).toEqual(['a', 'd', 'c']);
  expect(readlinkSync('/proc/self/cwd')).toBe(`${gone} (deleted)`);
});
