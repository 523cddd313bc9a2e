/** The prune policy of the config file. */
import { describe, expect, test } from '@jest/globals';
import { DEFAULT_POLICY, getLimit, parsePolicy } from '../../src/store/gc/prune-policy.js';
import { parseAge, parseSize } from '../../src/util/units.js';

describe('a config file', () => {
  test.each([
    [{}, DEFAULT_POLICY],
    [{ prune: {} }, DEFAULT_POLICY],
    [{ prune: { keepBytes: 5 } }, { keepBytes: { bytes: 5 }, keepDays: undefined, auto: true }],
    [
      { prune: { keepBytes: '20G' } },
      { keepBytes: { bytes: 20e9 }, keepDays: undefined, auto: true },
    ],
    [
      { prune: { keepBytes: '5%' } },
      { keepBytes: { part: 0.05 }, keepDays: undefined, auto: true },
    ],
    [{ prune: { keepDays: 30 } }, { keepBytes: undefined, keepDays: 30, auto: true }],
    [
      { prune: { keepBytes: '1GiB', keepDays: 0.5, auto: false } },
      { keepBytes: { bytes: 2 ** 30 }, keepDays: 0.5, auto: false },
    ],
    [{ prune: { auto: false } }, { ...DEFAULT_POLICY, auto: false }],
  ])('%j', (value, policy) => {
    expect(parsePolicy(value)).toEqual(policy);
  });

  test.each([
    [[], 'object'],
    [null, 'object'],
    [{ purne: {} }, 'did you mean prune?'],
    [{ prune: 3 }, 'prune must be an object'],
    [{ prune: { keepByte: 1 } }, 'prune.keepByte (did you mean keepBytes?)'],
    [{ prune: { limit: 1 } }, 'known are keepBytes, keepDays, auto'],
    [{ prune: { keepBytes: '20 apples' } }, '"20 apples"'],
    [{ prune: { keepBytes: -1 } }, 'prune.keepBytes is -1'],
    [{ prune: { keepBytes: '101%' } }, '101%'],
    [{ prune: { keepDays: '30' } }, 'prune.keepDays is "30"'],
    [{ prune: { keepDays: -1 } }, 'prune.keepDays is -1'],
    [{ prune: { auto: 'yes' } }, 'prune.auto is "yes"'],
  ])('%j is refused', (value, message) => {
    expect(parsePolicy(value)).toEqual({ problem: expect.stringContaining(message) });
  });

  test('the limit', () => {
    const disk = () => 1001;
    const limit = (keepBytes: unknown) => {
      const policy = parsePolicy({ prune: { keepBytes } });
      return 'problem' in policy ? policy.problem : getLimit(policy, disk);
    };
    expect([
      limit('10%'),
      limit(7),
      getLimit({ ...DEFAULT_POLICY, keepBytes: undefined }, disk),
    ]).toEqual([100, 7, undefined]);
  });
});

test.each([
  ['500', 500],
  ['10k', 10_000],
  ['1.5M', 1_500_000],
  ['2GB', 2e9],
  ['2 GiB', 2 ** 31],
  ['1T', 1e12],
  ['2Gi', 2 ** 31],
  ['', undefined],
  ['1i', undefined],
  ['k', undefined],
  ['-1', undefined],
])('size %s', (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test.each([
  ['30s', 30_000],
  ['1.5h', 5_400_000],
  ['7d', 604_800_000],
  ['7', undefined],
  ['yesterday', undefined],
])('age %s', (text, ms) => {
  expect(parseAge(text)).toBe(ms);
});
