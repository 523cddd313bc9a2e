/** Libraries of programs, with ldd as the oracle. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { LibraryFile } from '../../src/libs/closure.js';
import { libraryClosure } from '../../src/libs/closure.js';
import { NotFoundError, UsageError } from '../../src/util/errors.js';
import { tempDir, writeTree } from '../support/wiac.js';
import type { ElfShape } from './synthetic.js';
import { elfBytes, NEEDED, RPATH, RUNPATH, SONAME } from './synthetic.js';

async function ldd(program: string): Promise<string[]> {
  const { stdout } = await execa('ldd', [program]);
  const paths = stdout
    .split('\n')
    .flatMap((line) => /(?:=> |^\s*)(\/\S+) \(/.exec(line)?.[1] ?? []);
  return paths.map((path) => normalize(path)).sort();
}

function getPaths(files: readonly LibraryFile[]): string[] {
  return files.map(({ path }) => path);
}

test.each(['/bin/bash', '/bin/ls', '/usr/bin/perl', '/usr/bin/git', process.execPath])(
  '%s: what ldd finds',
  async (program) => {
    const ours = libraryClosure([program]).filter(({ kind }) => kind !== 'loader-config');
    expect(getPaths(ours).sort()).toEqual(await ldd(program));
  },
);

test('the linker is listed where PT_INTERP has it, with the real file', async () => {
  const { stdout } = await execa('readlink', ['-f', '/lib64/ld-linux-x86-64.so.2'], {
    reject: false,
  });
  const [loader] = libraryClosure(['/bin/ls']);
  expect(loader?.kind).toBe('loader');
  if (process.arch === 'x64') {
    expect(loader).toEqual({
      path: '/lib64/ld-linux-x86-64.so.2',
      target: stdout,
      neededBy: '/usr/bin/ls',
      kind: 'loader',
    });
  }
});

test('a file that several programs need is listed once', () => {
  const paths = getPaths(libraryClosure(['/bin/bash', '/bin/ls', '/bin/bash']));
  expect(new Set(paths).size).toBe(paths.length);
});

describe('other files', () => {
  test('a static program needs nothing', () => {
    expect(libraryClosure(['/bin/busybox'])).toEqual([]);
  });

  test.each(['', 'just text', '#', '#!\n'])('%j needs nothing', (text) => {
    const file = join(tempDir(), 'text');
    writeFileSync(file, text);
    expect(libraryClosure([file])).toEqual([]);
  });

  test('a program that is not there, and a directory', () => {
    expect(() => libraryClosure([join(tempDir(), 'none')])).toThrow(NotFoundError);
    expect(() => libraryClosure([tempDir()])).toThrow(UsageError);
  });
});

/** Writes ELF files below a new directory. */
function elfTree(files: Readonly<Record<string, ElfShape>>): string {
  const root = tempDir();
  for (const [path, shape] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), elfBytes(shape));
  }
  return root;
}

/** Paths of the closure of `program` in such a directory, relative to it. */
function closureIn(root: string): string[] {
  return getPaths(libraryClosure([join(root, 'program')])).map((path) =>
    path.replace(`${root}/`, ''),
  );
}

describe('synthetic programs', () => {
  test.each<[string, ElfShape['dynamic'], string]>([
    [
      'RPATH',
      [
        [NEEDED, 'libx.so'],
        [RPATH, '$ORIGIN/one:$ORIGIN/two'],
      ],
      'one/libx.so',
    ],
    [
      'RUNPATH switches RPATH off',
      [
        [NEEDED, 'libx.so'],
        [RPATH, '$ORIGIN/one'],
        [RUNPATH, '${ORIGIN}/two'],
      ],
      'two/libx.so',
    ],
  ])('%s', (_, dynamic, expected) => {
    const root = elfTree({
      program: { dynamic: dynamic ?? [] },
      'one/libx.so': {},
      'two/libx.so': {},
    });
    expect(closureIn(root)).toEqual([expected]);
  });

  test.each<[string, ElfShape]>([
    ['byte order', { littleEndian: false }],
    ['class', { bits: 32 }],
    ['machine', { machine: 183 }],
  ])('a library of another %s is passed over', (_, other) => {
    const root = elfTree({
      program: {
        dynamic: [
          [NEEDED, 'libx.so'],
          [RPATH, '$ORIGIN/one:$ORIGIN/two'],
        ],
      },
      'one/libx.so': other,
      'two/libx.so': {},
    });
    expect(closureIn(root)).toEqual(['two/libx.so']);
  });

  test('a text file of that name (a script for ld) is passed over', () => {
    const root = elfTree({
      program: {
        dynamic: [
          [NEEDED, 'libx.so'],
          [RPATH, '$ORIGIN/one:$ORIGIN/two'],
        ],
      },
      'two/libx.so': {},
    });
    writeTree(root, { 'one/libx.so': 'INPUT(libx.so.1)\n' });
    expect(closureIn(root)).toEqual(['two/libx.so']);
  });

  test('a damaged library on the way is an error', () => {
    const root = elfTree({
      program: {
        dynamic: [
          [NEEDED, 'libx.so'],
          [RPATH, '$ORIGIN'],
        ],
      },
    });
    writeTree(root, { 'libx.so': '\x7fELF' });
    expect(() => closureIn(root)).toThrow(UsageError);
    expect(() => closureIn(root)).toThrow(join(root, 'libx.so'));
  });

  test('big endian, 32 bits', () => {
    const powerpc: ElfShape = { bits: 32, littleEndian: false, machine: 20 };
    const root = elfTree({
      program: {
        ...powerpc,
        dynamic: [
          [NEEDED, 'libx.so'],
          [RUNPATH, '$ORIGIN'],
        ],
      },
      'libx.so': powerpc,
    });
    expect(closureIn(root)).toEqual(['libx.so']);
  });

  test('libraries that need each other come to an end', () => {
    const root = elfTree({
      program: {
        dynamic: [
          [NEEDED, 'liba.so'],
          [RPATH, '$ORIGIN'],
        ],
      },
      'liba.so': { dynamic: [[NEEDED, 'libb.so']] },
      'libb.so': { dynamic: [[NEEDED, 'liba.so']] },
    });
    expect(closureIn(root)).toEqual(['liba.so', 'libb.so']);
  });

  test('breadth first: what libb needs is found before what a library of liba needs', () => {
    const root = elfTree({
      program: {
        dynamic: [
          [NEEDED, 'liba.so'],
          [NEEDED, 'libb.so'],
          [RUNPATH, '$ORIGIN'],
        ],
      },
      'liba.so': {
        dynamic: [
          [NEEDED, 'libdeep.so'],
          [RUNPATH, '$ORIGIN'],
        ],
      },
      'libb.so': {
        dynamic: [
          [NEEDED, 'libx.so'],
          [RUNPATH, '$ORIGIN/of-b'],
        ],
      },
      'libdeep.so': {
        dynamic: [
          [NEEDED, 'libx.so'],
          [RUNPATH, '$ORIGIN/of-deep'],
        ],
      },
      'of-b/libx.so': {},
      'of-deep/libx.so': {},
    });
    expect(closureIn(root)).toEqual(['liba.so', 'libb.so', 'libdeep.so', 'of-b/libx.so']);
  });

  test('a library that is loaded already answers to its soname', () => {
    const root = elfTree({
      program: {
        dynamic: [
          [NEEDED, 'libx-1.2.so'],
          [NEEDED, 'liby.so'],
          [RPATH, '$ORIGIN'],
        ],
      },
      'libx-1.2.so': { dynamic: [[SONAME, 'libx.so.1']] },
      'liby.so': { dynamic: [[NEEDED, 'libx.so.1']] },
    });
    expect(closureIn(root)).toEqual(['libx-1.2.so', 'liby.so']);
  });

  test('$ORIGIN of a library is where it was found, not where a link leads', () => {
    const root = elfTree({
      program: {
        dynamic: [
          [NEEDED, 'liba.so'],
          [RPATH, '$ORIGIN/links'],
        ],
      },
      'real/liba.so': {
        dynamic: [
          [NEEDED, 'libb.so'],
          [RUNPATH, '$ORIGIN'],
        ],
      },
      'links/libb.so': {},
      'real/libb.so': {},
    });
    symlinkSync('../real/liba.so', join(root, 'links/liba.so'));
    expect(libraryClosure([join(root, 'program')])).toEqual([
      expect.objectContaining({
        path: join(root, 'links/liba.so'),
        target: join(root, 'real/liba.so'),
        neededBy: join(root, 'program'),
      }),
      expect.objectContaining({
        path: join(root, 'links/libb.so'),
        neededBy: join(root, 'links/liba.so'),
      }),
    ]);
  });

  test('an interpreter behind a link: its libraries go where its copy looks for them', () => {
    const root = elfTree({
      'tool/bin/run': {
        dynamic: [
          [NEEDED, 'libx.so'],
          [RUNPATH, '$ORIGIN/../lib'],
        ],
      },
      'tool/lib/libx.so': {},
    });
    mkdirSync(join(root, 'bin'));
    symlinkSync('../tool/bin/run', join(root, 'bin/run'));
    writeTree(root, { program: `#!${root}/bin/run\n` });
    expect(closureIn(root)).toEqual(['bin/run', 'lib/libx.so']);
  });

  test("musl's linker is all of libc", () => {
    const root = elfTree({ 'lib/ld-musl-x86_64.so.1': {}, 'opt/libz.so.1': {} });
    const dynamic: ElfShape['dynamic'] = [
      [NEEDED, 'libz.so.1'],
      [NEEDED, 'libc.musl-x86_64.so.1'],
    ];
    const interpreter = join(root, 'lib/ld-musl-x86_64.so.1');
    writeFileSync(join(root, 'program'), elfBytes({ interpreter, dynamic }));
    writeTree(root, { 'etc/ld-musl-x86_64.path': `${root}/opt\n` });
    expect(libraryClosure([join(root, 'program')]).map(({ kind, path }) => [kind, path])).toEqual([
      ['loader', interpreter],
      ['library', join(root, 'opt/libz.so.1')],
      ['loader-config', join(root, 'etc/ld-musl-x86_64.path')],
    ]);
  });

  test('a library that is nowhere: who needs it, and where it was looked for', () => {
    const root = elfTree({
      program: {
        dynamic: [
          [NEEDED, 'libnope.so'],
          [RPATH, '/some/where'],
        ],
      },
    });
    expect(() => libraryClosure([join(root, 'program')])).toThrow(
      expect.objectContaining({
        code: 'NOT_FOUND',
        message: `the library libnope.so, which ${join(root, 'program')} needs, was not found`,
        hint: expect.stringMatching(/\/some\/where.*\/etc\/ld\.so\.cache.*\/usr\/lib/),
      }),
    );
  });

  test('a linker that is nowhere', () => {
    const root = elfTree({ program: { interpreter: '/no/ld.so' } });
    expect(() => closureIn(root)).toThrow(NotFoundError);
  });
});
