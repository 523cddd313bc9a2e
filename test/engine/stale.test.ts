/** Is an entry's layer still made on the layers that are below and beside the step? */
import { expect, test } from '@jest/globals';
import type { KnownParent } from '../../src/engine/lookup.js';
import { groundOfEntry, groundOfUnknown, isOffGround, isStale } from '../../src/engine/stale.js';
import type { Step } from '../../src/plan/step.js';
import type { LayerId } from '../../src/store/records.js';
import { getStep } from '../support/steps.js';

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

/** `layers/marks`: v varies, e a varying entry is part of it, u reads one unseen. */
function ground(text: string) {
  const [floor = '', marks = ''] = text.split('/');
  return {
    floor: layers(floor),
    varies: marks.includes('v'),
    onVarying: marks.includes('e'),
    readsUnseen: marks.includes('u'),
  };
}

const copy = getStep('copy', 's2', {});
const run = getStep('run', 's2', {});

test.each<[string, Step, string[], string]>([
  ['on a base image', copy, ['a'], 'a'],
  ['beside a base image', copy, ['a', 'x'], 'a'],
  ['on an entry that varies', copy, ['ab/ve'], 'ab/ve'],
  ['beside an entry that varies', copy, ['a', 'x/ve'], 'a/veu'],
  ['beside a step that varies, and is not known', copy, ['a', 'x/v'], 'a/v'],
  ['on what reads an entry', copy, ['a/veu'], 'a/veu'],
  ['beside what reads an entry', copy, ['a', 'x/veu'], 'a/veu'],
  ['that is a RUN', run, ['a', 'x'], 'a/v'],
  ['on nothing', copy, [], ''],
])('the ground of an unknown step %s', (_, step, below, expected) => {
  expect(groundOfUnknown(step, below.map(ground))).toEqual(ground(expected));
});

test.each<[string, Step, string[], string]>([
  ['a COPY', copy, ['a'], 'ab'],
  ['a COPY on a RUN', copy, ['a/v'], 'ab/ve'],
  ['a RUN', run, ['a'], 'ab/ve'],
])('the ground of an entry of %s', (_, step, below, expected) => {
  expect(groundOfEntry(step, layers('ab'), below.map(ground))).toEqual(ground(expected));
});

test.each<[string, string[], boolean]>([
  ['made on it', ['a/ve'], false],
  ['made on another one', ['x/ve'], true],
  ['whose layers do not show what was read', ['a/veu'], true],
  ['with a source made on it', ['ab', 'r'], false],
  ['with a source made on another one', ['ab', 's'], true],
  ['with fewer layers than it', ['abc'], true],
])('an entry %s', (_, parents, off) => {
  const record = { base: layers('ab'), readLayers: [layers('rs')] };
  expect(isOffGround(record, parents.map(ground))).toBe(off);
});
