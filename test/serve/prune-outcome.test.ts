import { expect, test } from '@jest/globals';
import { toOutcome } from '../../src/serve/prune-outcome.js';
import type { PruneReport } from '../../src/store/gc/prune-store.js';

const REQUEST = { keepBytes: 10, filter: {}, mountsUnusedFor: undefined };

const REPORT: PruneReport = {
  items: [],
  mounts: [
    { name: 'abc', id: 'target=/x', lastUsed: 5, bytes: 7 },
    { name: 'def', id: 'a\nb', lastUsed: 0, bytes: 9 },
  ] as unknown as PruneReport['mounts'],
  layers: 0,
  freed: 16,
  remaining: 10,
  heldBy: undefined,
};

test('the largest first, and what it frees', () => {
  expect(toOutcome(REPORT, REQUEST)).toEqual({
    items: [
      { kind: 'mount', id: 'def', text: 'a b', lastUsed: 0, bytes: 9 },
      { kind: 'mount', id: 'abc', text: 'target=/x', lastUsed: 5, bytes: 7 },
    ],
    count: 2,
    freed: 16,
    remaining: 10,
  });
});

test('it says why more could not go', () => {
  const held = { ...REPORT, heldBy: 12 };
  expect(toOutcome(held, REQUEST).warning).toContain('process 12 holds all layers');
  const full = { ...REPORT, remaining: 11 };
  expect(toOutcome(full, REQUEST).warning).toContain('still takes 11 B');
});
