/** Another order of names, whichever way the file system of the names lists them. */
import { expect, test } from '@jest/globals';
import { shuffled } from '../../src/fs/layer/shuffled-names.js';

test('of three names or more neither the order nor its reverse is the same', () => {
  for (const length of [3, 4, 5, 8, 21]) {
    const items = Array.from({ length }, (_, index) => index);
    const other = shuffled(items);
    expect([...other].sort((a, b) => a - b)).toEqual(items);
    expect(other).not.toEqual(items);
    expect([...other].reverse()).not.toEqual(items);
  }
  // Most kernels list the newest name first.
  expect([...shuffled(['a', 'b'])].reverse()).toEqual(['b', 'a']);
});
