/** Sizes of memory; test/cache/policy.test.ts has those of caches. */
import { expect, test } from '@jest/globals';
import { parseBinarySize } from '../../src/util/units.js';

test.each([
  ['4096', 4096],
  ['64m', 64 << 20],
  ['64M', 64 << 20],
  ['64MB', 64 << 20],
  ['64MiB', 64 << 20],
  ['64 mb', 64 << 20],
  ['1.5g', 1.5 * 2 ** 30],
  ['1.k', 1024],
  ['.5k', 512],
  ['1p', 2 ** 50],
  ['100b', 100],
  ['', undefined],
  ['m', undefined],
  ['.', undefined],
  ['-1', undefined],
  ['64q', undefined],
  ['64ii', undefined],
  ['9007199254740992', undefined],
  ['9p', undefined],
])('%j of memory is %p', (text, bytes) => {
  expect(parseBinarySize(text)).toBe(bytes);
});
