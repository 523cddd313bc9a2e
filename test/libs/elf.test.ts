/** Reading the dynamic part of ELF files. */
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readElf } from '../../src/libs/elf.js';
import { UsageError } from '../../src/util/errors.js';
import { tempDir } from '../support/wiac.js';
import type { ElfShape } from './synthetic.js';
import { elfBytes, FLAGS_1, NEEDED, NODEFLIB, RPATH, RUNPATH, SONAME } from './synthetic.js';

const FULL: ElfShape = {
  interpreter: '/lib/ld.so.1',
  dynamic: [
    [NEEDED, 'libone.so.1'],
    [SONAME, 'libself.so.2'],
    [NEEDED, 'libtwo.so'],
    [RPATH, '/a:$ORIGIN/b'],
    [RUNPATH, '/c'],
    [FLAGS_1, NODEFLIB],
  ],
};

function write(bytes: Buffer): string {
  const file = join(tempDir(), 'file');
  writeFileSync(file, bytes);
  return file;
}

test.each<[32 | 64, boolean, number]>([
  [64, true, 62],
  [64, false, 22],
  [32, true, 3],
  [32, false, 8],
])('ELF%i, little endian %s', (bits, littleEndian, machine) => {
  expect(readElf(write(elfBytes({ ...FULL, bits, littleEndian, machine })))).toEqual({
    bits,
    littleEndian,
    machine,
    interpreter: '/lib/ld.so.1',
    soname: 'libself.so.2',
    needed: ['libone.so.1', 'libtwo.so'],
    rpath: ['/a', '$ORIGIN/b'],
    runpath: ['/c'],
    noDefaultDirectories: true,
  });
});

test('a static program has no dynamic part', () => {
  expect(readElf(write(elfBytes({ isDynamic: false })))).toMatchObject({
    interpreter: undefined,
    needed: [],
    rpath: undefined,
    runpath: undefined,
  });
});

test('strings are read to their end, however long', () => {
  const path = Array.from({ length: 300 }, (_, index) => `/nix/store/${index}`);
  const file = write(elfBytes({ dynamic: [[RUNPATH, path.join(':')]] }));
  expect(readElf(file)?.runpath).toEqual(path);
});

test('of a file too large to read whole, only the parts are read', () => {
  const file = write(elfBytes(FULL));
  truncateSync(file, 8 * 2 ** 30);
  expect(readElf(file)?.needed).toEqual(['libone.so.1', 'libtwo.so']);
});

test.each(['', 'x', '\x7fEL', '#!/bin/sh\n', 'just text'])('%j is no ELF file', (text) => {
  expect(readElf(write(Buffer.from(text, 'latin1')))).toBeUndefined();
});

describe('damage is a typed error with the name of the file', () => {
  const patched = (at: number, ...bytes: number[]) => {
    const file = elfBytes(FULL);
    file.set(bytes, at);
    return file;
  };
  test.each<[string, Buffer, string]>([
    ['nothing but the magic', Buffer.from('\x7fELF', 'latin1'), 'header is cut off'],
    ['header cut off', elfBytes(FULL).subarray(0, 60), 'header is cut off'],
    ['unknown class', patched(4, 7), 'no ELF class 7'],
    ['unknown byte order', patched(5, 0), 'no ELF byte order 0'],
    ['program headers too small', patched(54, 8, 0), 'program header of 8 bytes'],
    ['program headers far away', patched(32, 0, 0, 0, 0, 0, 0, 0, 0xff), 'program header table'],
    ['interpreter without end', patched(64 + 112 + 32, 3), 'interpreter name'],
    ['huge dynamic section', patched(64 + 56 + 32, 0, 0, 0, 0, 0, 0, 1), 'dynamic section'],
    ['no string table', patched(64, 9), 'no dynamic string table'],
    ['string out of the table', elfBytes({ dynamic: [[NEEDED, 9999]] }), 'outside of its string'],
  ])('%s', (_, bytes, message) => {
    const file = write(bytes);
    const read = () => readElf(file);
    expect(read).toThrow(UsageError);
    expect(read).toThrow(file);
    expect(read).toThrow(message);
  });
});

/** Rewrites one file: thousands of temporary directories would only be slow. */
function outcome(file: string, bytes: Buffer): 'read' | 'not ELF' | 'refused' {
  writeFileSync(file, bytes);
  try {
    return readElf(file) ? 'read' : 'not ELF';
  } catch (error) {
    if (error instanceof UsageError && error.message.includes(file)) return 'refused';
    throw error;
  }
}

describe.each<[32 | 64, boolean]>([
  [64, true],
  [32, false],
])('ELF%i, little endian %s', (bits, littleEndian) => {
  const whole = elfBytes({ ...FULL, bits, littleEndian });

  test('every truncation is refused, or is no ELF file any more', () => {
    const file = join(tempDir(), 'cut');
    for (let length = 0; length < whole.length; length += 1) {
      expect([length, outcome(file, whole.subarray(0, length))]).toEqual([
        length,
        length < 4 ? 'not ELF' : 'refused',
      ]);
    }
    expect(outcome(file, whole)).toBe('read');
  });

  test('changed bytes give a result or a typed error', () => {
    const file = join(tempDir(), 'changed');
    const change = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
    const changes = fc.array(change, { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(changes, (list) => {
        const bytes = Buffer.from(whole);
        for (const [at, value] of list) bytes[at] = value;
        outcome(file, bytes);
      }),
      { numRuns: 1000 },
    );
  });
});

test('random bytes behind the magic give a result or a typed error', () => {
  const file = join(tempDir(), 'random');
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 400 }),
      fc.constantFrom(1, 2),
      fc.constantFrom(1, 2),
      (rest, elfClass, order) => {
        const magic = Buffer.from([0x7f, 0x45, 0x4c, 0x46, elfClass, order]);
        expect(outcome(file, Buffer.concat([magic, rest]))).not.toBe('not ELF');
      },
    ),
    { numRuns: 500 },
  );
});
