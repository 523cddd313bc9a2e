import { describe, expect, test } from '@jest/globals';
import { formatAge, formatBytes, formatDuration, formatTable } from '../../src/ui/format.js';

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.00 kB'],
  [1500, '1.50 kB'],
  [15_000, '15.0 kB'],
  [999_499, '999 kB'],
  // Rounding must not print 1000 kB.
  [999_500, '1.00 MB'],
  [1.98e6, '1.98 MB'],
  [1e15, '1000 TB'],
])('%d bytes: %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test.each([
  [0, '0.00s'],
  [250, '0.25s'],
  [12_340, '12.3s'],
  [59_900, '59.9s'],
  [60_000, '1m00s'],
  [185_000, '3m05s'],
  [3_600_000, '60m00s'],
])('%d ms: %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test.each([
  // The clock of another machine may be ahead.
  [-5000, '0s'],
  [59_000, '59s'],
  [60_000, '1m'],
  [7_199_000, '1h'],
  [86_400_000, '1d'],
])('%d ms ago: %s', (ms, text) => {
  expect(formatAge(ms)).toBe(text);
});

describe('formatTable', () => {
  test('pads each column but the last', () => {
    const rows = [
      ['KEY', 'AGE', 'TEXT'],
      ['a', '10s', 'RUN a long one'],
      ['abcd', '1s', ''],
    ];
    expect(formatTable(rows)).toBe(
      ['KEY   AGE  TEXT', 'a     10s  RUN a long one', 'abcd  1s', ''].join('\n'),
    );
  });

  test('nothing for no rows', () => {
    expect(formatTable([])).toBe('');
    // A link of a hostile image, a package of its database.
    expect(
      formatTable([
        ['a\u001b]0;b\u0007', 'c\nd\u202e'],
        ['e', '\u009bf'],
      ]),
    ).toBe('a?]0;b?  c d?\ne        ?f\n');
  });
});
