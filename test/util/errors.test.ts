import { expect, test } from '@jest/globals';
import { ContextError } from '../../src/util/errors.js';

test('a message names no descriptor of this process', () => {
  const message = "it can't be unpacked: ENAMETOOLONG: name too long, open '/proc/self/fd/28/aaa'";
  expect(new ContextError(message, undefined).message).toBe(
    "it can't be unpacked: ENAMETOOLONG: name too long, open 'aaa'",
  );
  const own = 'COPY /proc/self/fd/3/x';
  expect(new ContextError(own, undefined).message).toBe(own);
});
