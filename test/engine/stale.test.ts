/** Is an entry's layer still made on the layers that are below and beside the step? */
import { expect, test } from '@jest/globals';
import type { KnownParent } from '../../src/engine/lookup.js';
import { isStale } from '../../src/engine/stale.js';
import type { LayerId } from '../../src/store/records.js';

const layers = (text: string) => [...text] as unknown as LayerId[];

/** `base reads...`; `?` are layers that are not known. */
function parents(text: string): KnownParent[] {
  return text.split(' ').map((part) => ({
    key: undefined,
    maker: undefined,
    layers: part === '?' ? undefined : layers(part),
  }));
}

test.each<[string, string, string[], string, boolean]>([
  ['the same layers', 'ab', [], 'ab', false],
  ['another layer on top', 'ab', [], 'abc', true],
  ['another layer in the middle', 'abc', [], 'axc', true],
  ['the same layers in another order', 'ab', [], 'ba', true],
  ['layers that are not known', 'ab', [], '?', false],
  ['scratch', '', [], '', false],
  ['the same source', 'a', ['xy'], 'a xy', false],
  ['a source that was made again', 'a', ['xy'], 'a xz', true],
  ['the second source was made again', 'a', ['x', 'y'], 'a x z', true],
  ['a source that is not known', 'a', ['x', 'y'], 'a ? y', false],
  ['a source more', 'a', ['x'], 'a x y', true],
  ['a source less', 'a', ['x', 'y'], 'a x', true],
])('%s', (_, base, reads, now, stale) => {
  const record = { base: layers(base), readLayers: reads.map(layers) };
  expect(isStale(record, parents(now))).toBe(stale);
});

test('a step without a parent, on nothing', () => {
  expect(isStale({ base: [], readLayers: [] }, [])).toBe(false);
});
