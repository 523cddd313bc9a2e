/** Which files of a cache mount need not be read for the next snapshot: another change of them will be seen. */
import { expect, test } from '@jest/globals';
import { isSettled, settledTime } from '../../src/engine/mounts/mount-notes.js';

const SECOND = 1_700_000_000_000;

test.each([
  ['a tick ago', SECOND + 0.25, 40, false],
  ['longer ago', SECOND + 0.25, 60, true],
  ['in a whole second, which may have gone on', SECOND, 1900, false],
  ['in a whole second that is over', SECOND, 2100, true],
])('changed %s', (_, ctimeMs, later, settled) => {
  expect(isSettled(ctimeMs, settledTime(ctimeMs + later))).toBe(settled);
});

test('while others have it, what they write through a mapping may have no time at all', () => {
  expect(isSettled(SECOND + 0.25, settledTime(SECOND + 60_000, true))).toBe(false);
});
