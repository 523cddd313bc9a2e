/** The marks of devices that nobody could make. */
import { expect, test } from '@jest/globals';
import { deviceMark, parseDeviceMark } from '../../src/fs/device-marks.js';

test.each([
  ['char', 259, 'c 259'],
  ['block', 0xffffffff, 'b 4294967295'],
] as const)('%s %d', (type, device, text) => {
  expect(deviceMark({ type, device })).toBe(text);
  expect(parseDeviceMark(text)).toEqual({ type, device });
});

// A program in a container can write what it likes: most of all, nothing becomes a whiteout.
test.each([
  'c 0',
  'c 00',
  'p 1',
  'c 4294967296',
  'c -1',
  'c 1.5',
  'c 0x1',
  'c 1\n',
  ' c 1',
  'c',
  '',
])('no mark: %j', (text) => {
  expect(parseDeviceMark(text)).toBeUndefined();
});
