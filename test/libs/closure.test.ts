/** Libraries of programs, with ldd as the oracle. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import fc from 'fast-check';
import { WiacError } from '../../src/errors.js';
import { libraryClosure } from '../../src/libs/closure.js';
import { readElf } from '../../src/libs/elf.js';
import { tempDir } from '../support/wiac.js';

async function ldd(program: string): Promise<string[]> {
  const { stdout } = await execa('ldd', [program]);
  const paths = stdout
    .split('\n')
    .flatMap((line) => /(?:=> |^\s*)(\/\S+) \(/.exec(line)?.[1] ?? []);
  return paths.sort();
}

test.each(['/bin/bash', '/bin/ls', '/usr/bin/perl', '/usr/bin/git', process.execPath])(
  '%s: what ldd finds',
  async (program) => {
    const ours = libraryClosure([program]).map(({ path }) => path);
    expect(ours.sort()).toEqual(await ldd(program));
  },
);

describe('other files', () => {
  test('a static program needs nothing', () => {
    expect(libraryClosure(['/bin/busybox'])).toEqual([]);
  });

  test('a script needs its interpreter and what that needs', () => {
    const script = join(tempDir(), 'script');
    writeFileSync(script, '#!/bin/bash\necho hi\n');
    const paths = libraryClosure([script]).map(({ path }) => path);
    expect(paths).toEqual(['/bin/bash', ...libraryClosure(['/bin/bash']).map(({ path }) => path)]);
  });

  test('text needs nothing', () => {
    const file = join(tempDir(), 'text');
    writeFileSync(file, 'just text');
    expect(libraryClosure([file])).toEqual([]);
  });
});

/** A minimal ELF file with a dynamic section. */
function syntheticElf(
  dynamic: readonly (readonly [number, string])[],
  littleEndian = true,
): Buffer {
  const strings = ['', ...dynamic.map(([, text]) => text)];
  const table = Buffer.from(`${strings.join('\0')}\0`);
  const offsets = strings.map(
    (_, index) => Buffer.byteLength(strings.slice(0, index).join('\0')) + (index > 0 ? 1 : 0),
  );
  const stringsAt = 64 + 2 * 56;
  const entries: [number, number][] = dynamic.map(([tag], index) => [tag, offsets[index + 1] ?? 0]);
  entries.push([5, stringsAt], [10, table.length], [0, 0]);
  const dynamicAt = stringsAt + table.length;
  const file = Buffer.alloc(dynamicAt + entries.length * 16);
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const put = (at: number, value: number) => view.setBigUint64(at, BigInt(value), littleEndian);
  file.write('\x7fELF', 'latin1');
  file[4] = 2;
  file[5] = littleEndian ? 1 : 2;
  view.setUint16(18, littleEndian ? 62 : 21, littleEndian);
  put(32, 64);
  view.setUint16(54, 56, littleEndian);
  view.setUint16(56, 2, littleEndian);
  for (const [index, [type, at, size]] of [
    [1, 0, file.length],
    [2, dynamicAt, entries.length * 16],
  ].entries()) {
    const start = 64 + index * 56;
    view.setUint32(start, type ?? 0, littleEndian);
    put(start + 8, at ?? 0);
    put(start + 16, at ?? 0);
    put(start + 32, size ?? 0);
  }
  table.copy(file, stringsAt);
  for (const [index, [tag, value]] of entries.entries()) {
    put(dynamicAt + index * 16, tag);
    put(dynamicAt + index * 16 + 8, value);
  }
  return file;
}

const [NEEDED, RPATH, RUNPATH] = [1, 15, 29];

describe('search paths', () => {
  function setUp(): string {
    const root = tempDir();
    mkdirSync(join(root, 'one'));
    mkdirSync(join(root, 'two'));
    writeFileSync(join(root, 'one/libx.so'), syntheticElf([]));
    writeFileSync(join(root, 'two/libx.so'), syntheticElf([]));
    return root;
  }

  test.each<[string, (readonly [number, string])[], string]>([
    ['RPATH', [[RPATH, '$ORIGIN/one:$ORIGIN/two']], 'one'],
    [
      'RUNPATH switches RPATH off',
      [
        [RPATH, '$ORIGIN/one'],
        [RUNPATH, '${ORIGIN}/two'],
      ],
      'two',
    ],
  ])('%s', (_, paths, expected) => {
    const root = setUp();
    writeFileSync(join(root, 'program'), syntheticElf([[NEEDED, 'libx.so'], ...paths]));
    expect(libraryClosure([join(root, 'program')]).map(({ path }) => path)).toEqual([
      join(root, expected, 'libx.so'),
    ]);
  });

  test('a library for another machine is passed over', () => {
    const root = setUp();
    writeFileSync(join(root, 'one/libx.so'), syntheticElf([], false));
    writeFileSync(
      join(root, 'program'),
      syntheticElf([
        [NEEDED, 'libx.so'],
        [RPATH, '$ORIGIN/one:$ORIGIN/two'],
      ]),
    );
    expect(libraryClosure([join(root, 'program')]).map(({ path }) => path)).toEqual([
      join(root, 'two/libx.so'),
    ]);
  });

  test('a library that is nowhere: who needs it, and where it was looked for', () => {
    const root = setUp();
    writeFileSync(
      join(root, 'program'),
      syntheticElf([
        [NEEDED, 'libnope.so'],
        [RPATH, '/some/where'],
      ]),
    );
    expect(() => libraryClosure([join(root, 'program')])).toThrow(
      expect.objectContaining({
        code: 'NOT_FOUND',
        message: expect.stringContaining('libnope.so'),
        hint: expect.stringContaining('/some/where'),
      }),
    );
  });

  test('big endian files are read', () => {
    const file = join(tempDir(), 'big');
    writeFileSync(file, syntheticElf([[NEEDED, 'libx.so']], false));
    expect(readElf(file)).toMatchObject({ littleEndian: false, machine: 21, needed: ['libx.so'] });
  });
});

test('a file that is cut off or garbled gives a result or a typed error', () => {
  const whole = syntheticElf([
    [NEEDED, 'libx.so'],
    [RUNPATH, '/a:/b'],
  ]);
  const file = join(tempDir(), 'damaged');
  const damage = fc.tuple(fc.nat(whole.length), fc.nat(whole.length - 1), fc.nat(255));
  fc.assert(
    fc.property(damage, ([length, at, value]) => {
      const bytes = Buffer.from(whole);
      bytes[at] = value;
      writeFileSync(file, bytes.subarray(0, length));
      try {
        readElf(file);
        return true;
      } catch (error) {
        return error instanceof WiacError && error.message.includes(file);
      }
    }),
    { numRuns: 500 },
  );
  expect(readFileSync(file).length).toBeLessThanOrEqual(whole.length);
});
