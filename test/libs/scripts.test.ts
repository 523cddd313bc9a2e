/** Closures of scripts. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { LibraryFile } from '../../src/libs/closure.js';
import { libraryClosure } from '../../src/libs/closure.js';
import { NotFoundError, UsageError } from '../../src/util/errors.js';
import { tempDir, writeTree } from '../support/wiac.js';

function getPaths(files: readonly LibraryFile[]): string[] {
  return files.map(({ path }) => path);
}

describe('scripts', () => {
  function script(text: string): string {
    const file = join(tempDir(), 'script');
    writeFileSync(file, text);
    return file;
  }

  test('the interpreter, marked, and what it needs', () => {
    const file = script('#!/bin/bash -e\necho hi\n');
    const [first, ...rest] = libraryClosure([file]);
    expect(first).toMatchObject({ path: '/bin/bash', neededBy: file, kind: 'script-interpreter' });
    expect(getPaths(rest)).toEqual(getPaths(libraryClosure(['/bin/bash'])));
  });

  test.each(['#!/usr/bin/env bash', '#! /usr/bin/env -S A=1 bash -e', '#!/usr/bin/env /bin/bash'])(
    '%s: env and bash',
    (line) => {
      const interpreters = libraryClosure([script(`${line}\n`)]).filter(
        ({ kind }) => kind === 'script-interpreter',
      );
      expect(interpreters.map(({ path }) => path)).toEqual([
        '/usr/bin/env',
        expect.stringMatching(/\/bash$/),
      ]);
    },
  );

  test('a script that is run by a script', () => {
    const inner = script('#!/bin/bash\n');
    expect(getPaths(libraryClosure([script(`#!${inner}\n`)])).slice(0, 2)).toEqual([
      inner,
      '/bin/bash',
    ]);
  });

  test('scripts that run each other come to an end', () => {
    const root = tempDir();
    writeTree(root, { one: `#!${root}/two\n`, two: `#!${root}/one\n` });
    expect(getPaths(libraryClosure([join(root, 'one')]))).toEqual([
      join(root, 'two'),
      join(root, 'one'),
    ]);
  });

  test('an interpreter that is not there', () => {
    const file = script('#!/no/such/shell\n');
    expect(() => libraryClosure([file])).toThrow(NotFoundError);
    expect(() => libraryClosure([file])).toThrow(`/no/such/shell, which ${file} needs`);
    expect(() => libraryClosure([script('#!/usr/bin/env no-such-program\n')])).toThrow(
      'no-such-program',
    );
    expect(() => libraryClosure([script('#!bin/sh\n')])).toThrow(UsageError);
  });
});
