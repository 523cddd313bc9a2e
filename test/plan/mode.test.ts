/** --chmod, with chmod(1) as the oracle. */
import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { execaSync } from 'execa';
import { parseMode } from '../../src/plan/mode.js';
import { tempDir } from '../support/wiac.js';

const LOCATION = { file: 'Dockerfile', line: 1, column: 1, endLine: 1 };

test.each([
  '0755',
  '4711',
  'u+x',
  'a+rX',
  'go-rwx',
  'u=rwx,go=',
  'g=u',
  'o=g-w',
  'u+s',
  'g+s,o+t',
  'ug+rw,o-rwx',
  'a=r',
  'u=rwX',
])('%s', (text) => {
  const root = tempDir();
  const file = join(root, 'file');
  const directory = join(root, 'directory');
  writeFileSync(file, '');
  mkdirSync(directory);
  for (const before of [0o644, 0o4750, 0o600, 0o777]) {
    for (const [path, isDirectory] of [
      [file, false],
      [directory, true],
    ] as const) {
      chmodSync(path, before);
      execaSync('chmod', ['--', text, path]);
      // chmod(1) leaves setuid and setgid of directories alone for a number; a COPY sets what it says.
      if (isDirectory && /^\d/.test(text)) continue;
      expect(parseMode(text, LOCATION)(before, isDirectory)).toBe(statSync(path).mode & 0o7777);
    }
  }
});

test.each(['', '9', 'rwx', 'u~x', '10000', '077777777'])('%j is no mode', (text) => {
  expect(() => parseMode(text, LOCATION)).toThrow(/is not a mode|is more than 07777/);
});
