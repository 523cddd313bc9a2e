/** Which layers of a deep stack get a mount of their own. */
import { expect, test } from '@jest/globals';
import { splitStack } from '../../src/executor/local/deep-stacks.js';

const stack = (count: number) => Array.from({ length: count }, (_, at) => `/l/${count - at}`);

test('stacks as deep as those of images stay as they are', () => {
  expect(splitStack(stack(64))).toEqual({ top: stack(64), bottom: [] });
});

test('nothing is lost, few layers stay on top, and few bottoms are mounted', () => {
  const bottoms = new Set<string>();
  for (let count = 65; count <= 400; count += 1) {
    const { top, bottom } = splitStack(stack(count));
    expect([...top, ...bottom]).toEqual(stack(count));
    expect(top.length).toBeGreaterThanOrEqual(32);
    expect(top.length).toBeLessThan(64);
    bottoms.add(bottom.join());
  }
  expect(bottoms.size).toBe(11);
});
