import { tmpdir } from 'node:os';
import { expect, test } from '@jest/globals';
import { bootOf, isSameSession, readSession } from '../../src/store/recovery/session.js';

test.each([
  ['a', 'a', true],
  ['a/1', 'a/1', true],
  ['a/1', 'a/2', false],
  ['a/1', 'b/1', false],
  ['a', 'b', false],
  ['a', 'b/1', false],
  // One of them could not see which mount it is.
  ['a', 'a/1', true],
  ['a/1', 'a', true],
])('%s and %s', (a, b, same) => {
  expect(isSameSession(a, b)).toBe(same);
});

test('a session stays the same, and names its boot', () => {
  const session = readSession(tmpdir());
  expect(readSession('/tmp/..')).toBe(readSession('/'));
  expect(readSession(tmpdir())).toBe(session);
  expect(session).toMatch(/^[0-9a-f-]{36}(\/\d+)?$/);
  expect(session.startsWith(bootOf(session))).toBe(true);
  expect(bootOf(session)).toHaveLength(36);
  // No block device.
  expect(readSession('/proc')).toBe(bootOf(session));
});
