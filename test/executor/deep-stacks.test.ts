/** Which layers of a deep stack get a mount of their own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { deepStacks, splitStack } from '../../src/executor/local/deep-stacks.js';
import type { WiacSys } from '../../src/native/wiac-sys.js';
import { IsolationError } from '../../src/util/errors.js';

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

test('a build that starts over mounts them beside those of its first try', async () => {
  const parent = mkdtempSync(join(tmpdir(), 'wiac-deep-'));
  const sys: WiacSys = {
    request: async () => {
      throw new IsolationError('no mounts here');
    },
    close: () => {},
  };
  const overlay = { lower: stack(100), upper: undefined, options: 'redirect_dir=off' };
  try {
    for (let attempt = 0; attempt < 2; attempt += 1)
      expect(await deepStacks(sys, () => parent).shorten(overlay)).toBe(overlay);
  } finally {
    rmSync(parent, { recursive: true });
  }
});
