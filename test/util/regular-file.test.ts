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

  test('has the errors of the file system', () => {
    expect(() => read(directory)).toThrow('EISDIR');
    expect(() => read(join(directory, 'nosuch'))).toThrow('ENOENT');
  });
});
