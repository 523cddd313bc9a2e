// Before each test file: buffers are compared at once. Jest compares them number by number, which takes 8 s for a megabyte.
import { expect } from '@jest/globals';

expect.addEqualityTesters([
  (one, other) => (Buffer.isBuffer(one) && Buffer.isBuffer(other) ? one.equals(other) : undefined),
]);
