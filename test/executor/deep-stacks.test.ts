/** Which layers of a deep stack get a mount of their own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { deepStacks, mountsOf, splitStack } from '../../src/executor/local/deep-stacks.js';
import type { WiacSys } from '../../src/native/wiac-sys.js';
import { IsolationError, UnsupportedError } from '../../src/util/errors.js';

const stack = (count: number) => Array.from({ length: count }, (_, at) => `/l/${count - at}`);

test('stacks as deep as those of images stay as they are', () => {
  expect(splitStack(stack(64))).toEqual({ top: stack(64), bottom: [] });
});

test('nothing is lost, few directories are mounted for a step, and few are mounted again', () => {
  const seen = new Set<number>();
  let mounted = 0;
  for (let count = 65; count <= 998; count += 1) {
    const { top, bottom } = splitStack(stack(count));
    // One part, down to the lowest: a mount from the middle would show what its layers remove.
    expect([...top, ...bottom]).toEqual(stack(count));
    expect(top.length).toBeLessThan(count <= 500 ? 64 : 500);
    expect(bottom.length).toBeLessThanOrEqual(500);
    if (!seen.has(bottom.length)) mounted += bottom.length;
    seen.add(bottom.length);
  }
  expect(mounted / 998).toBeLessThan(5);
});

test('steps of a deep stack have as many directories as the first ones, on average', () => {
  const mean = (from: number) => {
    const counts = Array.from({ length: 64 }, (_, at) => from + at);
    return counts.reduce((sum, count) => sum + splitStack(stack(count)).top.length, 0) / 64;
  };
  for (const from of [128, 256, 384]) expect(mean(from)).toBeLessThan(mean(0));
});

test('more layers than two overlays have are refused', () => {
  expect(() => splitStack(stack(999))).toThrow(UnsupportedError);
});

test('a view of more directories than one overlay has is mounted on its lowest ones', () => {
  const overlay = { lower: stack(501), upper: { directory: '/u', work: '/w' }, options: 'a' };
  const [first, second, ...others] = mountsOf({ root: '/root', overlay });
  expect(others).toEqual([]);
  expect([first?.root, second?.root, second?.overlay.upper]).toEqual([
    '/root',
    '/root',
    overlay.upper,
  ]);
  expect(second?.overlay.lower.at(-1)).toBe('/root');
  expect([...(second?.overlay.lower.slice(0, -1) ?? []), ...(first?.overlay.lower ?? [])]).toEqual(
    overlay.lower,
  );
  const shallow = { root: '/root', overlay: { ...overlay, lower: stack(500) } };
  expect(mountsOf(shallow)).toEqual([shallow]);
});

test('a build that starts over mounts them beside those of its first try', async () => {
  const parent = mkdtempSync(join(tmpdir(), 'wiac-deep-'));
  const sys: WiacSys = {
    start: () => {},
    request: async () => {
      throw new IsolationError('no mounts here');
    },
    beginWaiting: () => {
      throw new Error('no container is asked for');
    },
    close: () => {},
  };
  const overlay = { lower: stack(100), upper: undefined, options: 'redirect_dir=off' };
  try {
    for (let attempt = 0; attempt < 2; attempt += 1)
      expect(
        (
          await deepStacks(
            sys,
            () => parent,
            () => {},
          ).shorten(overlay)
        ).lower,
      ).toEqual(overlay.lower);
  } finally {
    rmSync(parent, { recursive: true });
  }
});
