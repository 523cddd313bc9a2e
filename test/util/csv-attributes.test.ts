/** Values of options that hold several attributes. */
import { describe, expect, test } from '@jest/globals';
import {
  attributeMap,
  attributePairs,
  parseAttributes,
  parseBoolean,
  refusing,
  splitCsv,
} from '../../src/util/csv-attributes.js';
import { UsageError } from '../../src/util/errors.js';

describe('a CSV record', () => {
  test.each([
    ['', ['']],
    ['a', ['a']],
    ['a,b', ['a', 'b']],
    [',', ['', '']],
    ['a,', ['a', '']],
    ['"a,b",c', ['a,b', 'c']],
    ['"a""b"', ['a"b']],
    ['""', ['']],
    ['"a\nb",c', ['a\nb', 'c']],
    ['a\nb', ['a\nb']],
  ])('%j', (record, fields) => {
    expect(splitCsv(record)).toEqual(fields);
  });

  test.each(['"', '"a', 'a"', '"a"b', 'a"b"', '"a""', 'a,"b', '"""'])('%j is none', (record) => {
    expect(splitCsv(record)).toBeUndefined();
  });

  test('a long field in quotes does not fill the stack', () => {
    const long = 'x'.repeat(10_000_000);
    expect(splitCsv(`"${long}",b`)?.[0]).toHaveLength(long.length);
  });
});

describe('attributes', () => {
  const refuse = refusing('--output', 'TEXT', 'the usual hint');

  test('names are folded, values are not', () => {
    expect(parseAttributes(' Type=OCI,"dest=a,b",ro,x=y=z,empty=', refuse)).toEqual([
      { name: 'type', value: 'OCI', field: ' Type=OCI' },
      { name: 'dest', value: 'a,b', field: 'dest=a,b' },
      { name: 'ro', value: undefined, field: 'ro' },
      { name: 'x', value: 'y=z', field: 'x=y=z' },
      { name: 'empty', value: '', field: 'empty=' },
    ]);
  });

  test('of two values the last one counts, and a word alone means what the option says', () => {
    const attributes = parseAttributes('a=1,b,a=2', refuse);
    expect([...attributeMap(attributes, 'true')]).toEqual([
      ['a', '2'],
      ['b', 'true'],
    ]);
  });

  test('errors are of the command line and name the option', () => {
    const getError = (action: () => unknown) => {
      try {
        return action();
      } catch (error) {
        return error;
      }
    };
    const quote = getError(() => parseAttributes('"a', refuse));
    expect(quote).toBeInstanceOf(UsageError);
    expect(quote).toMatchObject({
      message: '--output TEXT: misplaced double quote',
      hint: expect.stringContaining('quotes'),
    });
    for (const text of ['word', '=x'])
      expect(getError(() => attributePairs(parseAttributes(text, refuse), refuse))).toMatchObject({
        message: `--output TEXT: '${text}' is no NAME=VALUE`,
        hint: 'the usual hint',
      });
  });

  test('booleans are those of Go', () => {
    expect(['1', 't', 'True', 'TRUE', 'true'].map(parseBoolean)).toEqual(Array(5).fill(true));
    expect(['0', 'f', 'False', 'FALSE'].map(parseBoolean)).toEqual(Array(4).fill(false));
    expect(['', 'yes', 'tRUE', 'on'].map(parseBoolean)).toEqual(Array(4).fill(undefined));
  });
});
