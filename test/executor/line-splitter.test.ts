/** Output that comes in pieces. */
import { describe, expect, test } from '@jest/globals';
import { lineSplitter } from '../../src/executor/local/line-splitter.js';

function split(...pieces: (string | Buffer)[]) {
  const lines: string[] = [];
  const unfinished: string[] = [];
  const { push, end, last } = lineSplitter(2, {
    onLine: (line) => lines.push(line),
    onUnfinished: (text) => unfinished.push(text),
  });
  for (const piece of pieces) push(Buffer.from(piece));
  end();
  return { lines, unfinished, last: last() };
}

describe('lines', () => {
  test('over several pieces, and several in one; the last one needs no end', () => {
    expect(split('a', 'b\nc\n\nd', '', 'e')).toEqual({
      lines: ['ab', 'c', '', 'de'],
      unfinished: ['a', 'd', 'd', 'de'],
      last: ['', 'de'],
    });
  });

  test('a character in two pieces, ends of Windows', () => {
    const euro = Buffer.from('€');
    expect(split(euro.subarray(0, 1), euro.subarray(1), '\r\n').lines).toEqual(['€']);
  });

  test('what ends no line: its end is told, and it is cut before it fills the memory', () => {
    const bar = split('1%\r', '2%\r', '3%\n');
    expect(bar.unfinished).toEqual(['1%\r', '1%\r2%\r']);
    expect(bar.lines).toEqual(['1%\r2%\r3%']);
    const { lines, unfinished } = split(...Array<string>(1025).fill('x'.repeat(1024)));
    expect(lines.map(({ length }) => length)).toEqual([1 << 20, 1024]);
    expect(Math.max(...unfinished.map(({ length }) => length))).toBe(4096);
  });
});
