/** One of a thing, or several. */
import { expect, test } from '@jest/globals';
import { plural } from '../../src/util/plural.js';

test('one is singular, none and many are not', () => {
  expect([0, 1, 2].map((count) => plural(count, 'file'))).toEqual(['0 files', '1 file', '2 files']);
  expect([1, 11].map((count) => plural(count, 'entry', 'entries'))).toEqual([
    '1 entry',
    '11 entries',
  ]);
});
