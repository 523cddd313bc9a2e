/** Directories of dynamic linkers. */
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { readElf } from '../../src/libs/elf.js';
import type { Loader } from '../../src/libs/search-path.js';
import {
  configuredDirectories,
  describeLoader,
  expandTokens,
  libOfDirectory,
  muslDirectories,
} from '../../src/libs/search-path.js';
import { tempDir, writeTree } from '../support/wiac.js';

const X86_64 = { bits: 64, littleEndian: true, machine: 62 } as const;

describe('tokens', () => {
  const loader: Loader = {
    lib: 'lib64',
    platform: 'x86_64',
    directories: [],
    muslPathFile: undefined,
  };
  test.each<[string, string | undefined]>([
    ['/plain', '/plain'],
    ['$ORIGIN', '/opt/bin'],
    ['${ORIGIN}/../lib', '/opt/bin/../lib'],
    ['/usr/$LIB/x', '/usr/lib64/x'],
    ['/usr/${LIB}x', '/usr/lib64x'],
    ['/usr/$LIBRARY', '/usr/$LIBRARY'],
    ['/p/$PLATFORM/$LIB', '/p/x86_64/lib64'],
    ['relative', undefined],
    ['', undefined],
    ['./$ORIGIN', undefined],
  ])('%j', (path, expected) => {
    expect(expandTokens(path, loader, '/opt/bin')).toBe(expected);
  });

  test('a replacement is taken literally', () => {
    expect(expandTokens('$ORIGIN/x', loader, '/a$&b')).toBe('/a$&b/x');
  });

  test('a platform that is not known', () => {
    expect(expandTokens('/p/$PLATFORM', { ...loader, platform: undefined }, '/')).toBeUndefined();
  });
});

test.each([
  ['/usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu'],
  ['/lib/arm-linux-gnueabihf', 'lib/arm-linux-gnueabihf'],
  ['/usr/lib64', 'lib64'],
  ['/lib32', 'lib32'],
  ['/usr/lib', 'lib'],
  ['/nix/store/glibc/lib', undefined],
  ['/usr/lib/other', undefined],
])('$LIB of a linker in %s', (directory, expected) => {
  expect(libOfDirectory(directory)).toBe(expected);
});

test("this machine's linker: what it says of itself", async () => {
  const interpreter = readElf('/bin/ls')?.interpreter ?? '';
  const { stdout } = await execa(interpreter, ['--list-diagnostics']);
  const said = (key: RegExp) =>
    stdout.split('\n').flatMap((line) => (key.test(line) ? (/"(.*)"$/.exec(line)?.[1] ?? []) : []));
  const elf = readElf('/bin/ls');
  const loader = elf && describeLoader(interpreter, elf);
  expect([loader?.lib]).toEqual(said(/^dl_dst_lib=/));
  const builtIn = said(/^path\.system_dirs\[/).map((path) => path.replace(/\/$/, ''));
  expect(builtIn.length).toBeGreaterThan(0);
  // The rest are those of other distributions, and come last.
  expect(loader?.directories.slice(0, builtIn.length)).toEqual(builtIn);
});

describe('configuration', () => {
  test('includes, comments and obsolete lines of ld.so.conf', () => {
    const root = tempDir();
    writeTree(root, {
      'ld.so.conf':
        '# first\n/one # comment\ninclude conf.d/*.conf\nhwcap 1 nosegneg\n/last=libc6\n',
      'conf.d/b.conf': '/b\n',
      'conf.d/a.conf': '\n/a\ninclude ../ld.so.conf\n',
      'conf.d/not-this': '/no\n',
    });
    expect(configuredDirectories(join(root, 'ld.so.conf'))).toEqual(['/one', '/a', '/b', '/last']);
  });

  test('no ld.so.conf', () => {
    expect(configuredDirectories(join(tempDir(), 'none'))).toEqual([]);
  });

  test("musl's path file is split at colons and line ends", () => {
    const root = tempDir();
    writeTree(root, { path: '/lib:/opt/lib\n/usr/lib\n' });
    expect(muslDirectories(join(root, 'path'))).toEqual(['/lib', '/opt/lib', '/usr/lib']);
    expect(muslDirectories(join(root, 'none'))).toBeUndefined();
  });

  test("musl's linker", () => {
    expect(describeLoader('/lib/ld-musl-x86_64.so.1', X86_64)).toMatchObject({
      muslPathFile: '/etc/ld-musl-x86_64.path',
      directories: ['/lib', '/usr/local/lib', '/usr/lib'],
    });
  });
});
