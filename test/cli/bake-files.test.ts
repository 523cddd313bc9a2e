/** Where paths of bake files lead. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { realPath } from '../../src/cli/bake-files.js';

let top: string;

beforeAll(() => {
  top = realPath(mkdtempSync(join(tmpdir(), 'wiac-bake-files-')));
});

afterAll(() => rmSync(top, { recursive: true }));

test('links are followed as the kernel follows them', () => {
  const inside = (path: string) => join(top, path);
  mkdirSync(inside('a/b'), { recursive: true });
  symlinkSync('b', inside('a/short'));
  symlinkSync('/nosuch/file', inside('dangling'));
  symlinkSync('/nosuch/ssl', inside('away'));
  symlinkSync('loop', inside('loop'));
  expect(realPath(inside('a/short/new/x'))).toBe(inside('a/b/new/x'));
  expect(realPath(inside('dangling'))).toBe('/nosuch/file');
  expect(realPath(inside('dangling/x'))).toBe('/nosuch/file/x');
  // Not join(), which would take the two words away.
  expect(realPath(`${top}/away/../shadow`)).toBe('/nosuch/shadow');
  expect(() => realPath(inside('loop'))).toThrow('too many symbolic links');
});
