/** Files that people name are read whole, but not without end. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { MOST_BYTES, readNamedFile, readSettings } from '../../src/util/regular-file.js';

const directory = mkdtempSync(join(tmpdir(), 'wiac-files-'));
afterAll(() => rmSync(directory, { recursive: true }));

const TOO_LARGE = `it is larger than ${MOST_BYTES} bytes`;

describe.each([
  ['readNamedFile', readNamedFile],
  ['readSettings', readSettings],
])('%s', (_, read) => {
  test('gives what a file has, up to a limit', () => {
    const file = join(directory, 'file');
    writeFileSync(file, 'a'.repeat(100_000));
    expect(read(file).toString()).toBe('a'.repeat(100_000));
    expect(read(file, 100_000)).toHaveLength(100_000);
    expect(() => read(file, 99_999)).toThrow('it is larger than 99999 bytes');
  });

  test('reads nothing of a file that is too large, and no device to its end', () => {
    const file = join(directory, 'large');
    writeFileSync(file, '');
    truncateSync(file, 2 ** 40);
    expect(() => read(file)).toThrow(TOO_LARGE);
    expect(() => read('/dev/zero')).toThrow(TOO_LARGE);
    expect(read('/dev/null')).toHaveLength(0);
    expect(read('/proc/self/status').toString()).toMatch(/^Name:/);
  });

  test('has the errors of the file system in words, with their codes', () => {
    const thrown = (path: string): unknown => {
      try {
        return read(path);
      } catch (error) {
        return error;
      }
    };
    const says = (code: string, message: string) =>
      expect.objectContaining({ code, message, hint: expect.any(String) });
    const file = join(directory, 'plain');
    writeFileSync(file, '');
    expect(thrown(directory)).toEqual(says('EISDIR', 'it is a directory'));
    expect(thrown(join(directory, 'nosuch'))).toEqual(says('ENOENT', 'there is no such file'));
    expect(thrown(join(file, 'x'))).toEqual(
      says('ENOTDIR', 'what its path goes through is no directory'),
    );
    expect(thrown(join(directory, 'x'.repeat(300)))).toEqual(
      says('ENAMETOOLONG', 'its name is too long'),
    );
  });
});
