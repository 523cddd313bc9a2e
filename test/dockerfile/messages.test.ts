import { describe, expect, test } from '@jest/globals';
import { parseDuration } from '../../src/dockerfile/duration.js';
import { excerpt } from '../../src/dockerfile/excerpt.js';
import { suggest } from '../../src/util/suggest.js';

describe('excerpt', () => {
  const lines = ['FROM a', '', 'RUN b \\', '\t--x c', 'CMD d', 'USER e', 'EXPOSE 1'];
  const at = (line: number, column: number, endLine = line) => ({
    file: 'f',
    line,
    column,
    endLine,
  });

  test('marks the lines of the location and puts a caret under its column', () => {
    expect(excerpt(lines, at(3, 5, 4), 1)).toBe(
      ['2 |', '3 | >>> RUN b \\', '  |         ^', '4 | >>> \t--x c', '5 |     CMD d'].join('\n'),
    );
  });

  test('shows two lines around by default, as far as there are any', () => {
    expect(excerpt(lines, at(1, 1)).split('\n')).toEqual([
      '1 | >>> FROM a',
      '  |     ^',
      '2 |',
      '3 |     RUN b \\',
    ]);
    expect(excerpt(lines, at(7, 8)).split('\n').at(-1)).toBe('  |            ^');
  });

  test('tabs before the column stay tabs, wide characters count once', () => {
    expect(excerpt(['\t🚀x'], at(1, 4))).toBe('1 | >>> \t🚀x\n  |     \t ^');
  });

  test('numbers are aligned, long locations cut', () => {
    const many = Array.from({ length: 50 }, (_, index) => `L${index + 1}`);
    const out = excerpt(many, at(9, 1, 45)).split('\n');
    expect(out[0]).toBe(' 7 |     L7');
    expect(out).toHaveLength(22);
    expect(out.at(-1)).toBe('   | ... 19 more lines');
  });

  test('is empty outside of the file', () => {
    expect(excerpt(lines, at(8, 1))).toBe('');
    expect(excerpt([], at(1, 1))).toBe('');
  });
});

describe('suggest', () => {
  const names = ['add', 'arg', 'from', 'chown', 'chmod', 'entrypoint'];
  test.each([
    ['form', 'from'],
    ['FRM', 'from'],
    ['chwon', 'chown'],
    ['entrypiont', 'entrypoint'],
    ['entripoynt', 'entrypoint'],
    ['adg', 'add'],
    ['xyz', undefined],
    ['', undefined],
    ['entrance', undefined],
  ])('%j: %j', (word, expected) => {
    expect(suggest(word, names)).toBe(expected);
  });
});

describe('parseDuration', () => {
  test.each([
    ['0', 0],
    ['30s', 30e9],
    ['1m30s', 90e9],
    ['1h', 3600e9],
    ['1.5s', 1.5e9],
    ['.5s', 5e8],
    ['5.ms', 5e6],
    ['7us', 7e3],
    ['7µs', 7e3],
    ['-1s', -1e9],
    ['', undefined],
    ['5', undefined],
    ['s', undefined],
    ['1s ', undefined],
    ['1d', undefined],
    ['1s2', undefined],
    ['99999999999h', undefined],
  ])('%j is %j nanoseconds', (text, nanoseconds) => {
    expect(parseDuration(text)).toBe(nanoseconds);
  });
});
