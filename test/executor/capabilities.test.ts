/** --cap-add and --cap-drop. */
import { expect, test } from '@jest/globals';
import { DEFAULT_CAPABILITIES, getCapabilities } from '../../src/executor/local/capabilities.js';

/** Numbers of linux/capability.h. */
const [CHOWN, NET_ADMIN, NET_RAW, CHECKPOINT_RESTORE] = [0, 12, 13, 40];

test.each([
  ['the default is that of Docker', [], [], DEFAULT_CAPABILITIES],
  ['one more', ['NET_ADMIN'], [], [...DEFAULT_CAPABILITIES, NET_ADMIN].sort((a, b) => a - b)],
  ['one less', [], ['cap_net_raw'], DEFAULT_CAPABILITIES.filter((number) => number !== NET_RAW)],
  ['all go, one comes', ['CAP_CHOWN'], ['ALL'], [CHOWN]],
  ['all go', [], ['all'], []],
])('%s', (_, add, drop, expected) => {
  expect(getCapabilities(add, drop)).toEqual(expected);
});

test('all come, one goes', () => {
  const kept = getCapabilities(['ALL'], ['CHOWN']) as readonly number[];
  expect(kept[0]).toBe(1);
  expect(kept.at(-1)).toBe(CHECKPOINT_RESTORE);
  expect(kept).toHaveLength(CHECKPOINT_RESTORE);
});

test('a name that there is not', () => {
  expect(getCapabilities(['CHOWN', 'FLY'], [])).toEqual({ unknown: 'FLY' });
});

test('the numbers of the default', () => {
  expect(DEFAULT_CAPABILITIES).toEqual([0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31]);
});
