import { expect, test } from '@jest/globals';
import { describeTime } from '../../src/util/file-time.js';

test.each([
  [-500, '1969-12-31T23:59:59.500Z'],
  [0, '1970-01-01T00:00:00.000Z'],
  [9e15, '@9000000000000'],
  [-9e15, '@-9000000000000'],
])('a file of %d ms', (ms, text) => {
  expect(describeTime(ms)).toBe(text);
});
