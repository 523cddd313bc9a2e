/** Ranges of users that nobody has yet. */
import { expect, test } from '@jest/globals';
import { freeRange } from '../../src/util/free-range.js';

test.each<[string, string[], string]>([
  ['nobody has one', ['', ''], '100000-165535'],
  ['no range overlaps that of another user', ['alice:100000:65536\n', ''], '165536-231071'],
  ['users and groups get the same', ['a:100000:65536\n', 'b:200000:10\n'], '200010-265545'],
  ['below those of users', ['root:1000:100\n'], '100000-165535'],
  ['in any order', ['b:300000:65536\na:100000:65536\n'], '365536-431071'],
  ['what is no range', ['# comment\n\nx:y:z\nalice:100000:65536'], '165536-231071'],
])('%s', (_, files, expected) => {
  expect(freeRange(files)).toBe(expected);
});
