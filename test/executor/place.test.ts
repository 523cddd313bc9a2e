/** Which worker a chain is given to. */
import { describe, expect, test } from '@jest/globals';
import type { Candidate } from '../../src/executor/queue/place.js';
import { placeChain } from '../../src/executor/queue/place.js';

const MB = 1 << 20;
const worker = (id: string, busy = 0): Candidate => ({ id, slots: 2, busy });

function place(
  holders: Readonly<Record<string, readonly Candidate[]>>,
  sizes: Readonly<Record<string, number>>,
): string | undefined {
  const layers = Object.entries(sizes).map(([diffId, bytes]) => ({ diffId, bytes }));
  return placeChain(layers, { holders: (diffId) => holders[diffId] ?? [] })?.id;
}

describe('a chain goes to', () => {
  test('the worker that holds most bytes of it, not most layers', () => {
    const [a, b] = [worker('a'), worker('b')];
    const sizes = { small1: 2 * MB, small2: 2 * MB, large: 5 * MB };
    expect(place({ small1: [a], small2: [a], large: [b] }, sizes)).toBe('b');
    expect(place({ small1: [a, b], small2: [a], large: [b, a] }, sizes)).toBe('a');
  });

  test('the freest of several that hold the same, then the first by its id', () => {
    const [a, b, c] = [worker('a', 1), worker('b'), worker('c')];
    expect(place({ layer: [a, c, b] }, { layer: MB })).toBe('b');
    expect(place({ layer: [a, { ...c, slots: 8, busy: 1 }] }, { layer: MB })).toBe('c');
  });

  test('nobody whose slots are taken', () => {
    expect(place({ layer: [worker('a', 2), worker('b', 1)] }, { layer: MB })).toBe('b');
    expect(place({ layer: [worker('a', 2)] }, { layer: MB })).toBe(undefined);
  });

  test('whoever has room first, where nobody holds anything that is worth it', () => {
    expect(place({}, { layer: 100 * MB })).toBe(undefined);
    expect(place({ layer: [worker('a')] }, { layer: MB - 1 })).toBe(undefined);
    expect(place({}, {})).toBe(undefined);
  });
});
