/** Which layers the steps have that nobody looked for, from the entry of the step above them. */
import { expect, test } from '@jest/globals';
import type { KnownLayers } from '../../src/engine/infer-states.js';
import { inferStates } from '../../src/engine/infer-states.js';
import type { Step, StepId } from '../../src/plan/step.js';
import type { LayerId } from '../../src/store/records.js';

/** Steps of one stage from the bottom, by their kinds: s0, s1 ... */
function stage(...kinds: Step['kind'][]) {
  const steps = kinds.map(
    (kind, at) =>
      ({
        kind,
        id: `s${at}`,
        parent: at === 0 ? undefined : `s${at - 1}`,
        path: `/${at}`,
      }) as unknown as Step,
  );
  return { steps, target: `s${kinds.length - 1}` as StepId };
}

const layers = (text: string) => [...text] as unknown as LayerId[];

function known(
  entries: Readonly<Record<string, { readonly layers: string; readonly base?: string }>>,
): Map<StepId, KnownLayers> {
  return new Map(
    Object.entries(entries).map(([id, { layers: all, base }]) => [
      id as StepId,
      { layers: layers(all), base: base === undefined ? undefined : layers(base) },
    ]),
  );
}

test.each<[string, Step['kind'][], Parameters<typeof known>[0], Record<string, string>]>([
  [
    'everything is known',
    ['source', 'copy', 'run'],
    { s0: { layers: '' }, s1: { layers: 'a' }, s2: { layers: 'ab', base: 'a' } },
    {},
  ],
  [
    'a step below the one that was found',
    ['source', 'copy', 'run', 'run'],
    { s0: { layers: '' }, s1: { layers: 'a' }, s3: { layers: 'abc', base: 'ab' } },
    { s2: 'ab' },
  ],
  [
    'all below it, on an image; what changes the config alone makes no layer',
    ['source', 'meta', 'copy', 'meta', 'run', 'meta'],
    {
      s0: { layers: 'xy' },
      s1: { layers: 'xy' },
      s4: { layers: 'xyab', base: 'xya' },
      s5: { layers: 'xyab' },
    },
    { s3: 'xya', s2: 'xya' },
  ],
  [
    'a WORKDIR that made a layer, and one that made none',
    ['source', 'workdir', 'copy', 'workdir', 'run'],
    { s0: { layers: '' }, s1: { layers: 'w' }, s4: { layers: 'wcr', base: 'wc' } },
    { s3: 'wc', s2: 'wc' },
  ],
  [
    'of two WORKDIR the upper one',
    ['source', 'workdir', 'workdir', 'run'],
    { s0: { layers: '' }, s3: { layers: 'wr', base: 'w' } },
    { s2: 'w', s1: '' },
  ],
])('%s', (_, kinds, states, expected) => {
  const inferred = [...inferStates(stage(...kinds), known(states))];
  expect(Object.fromEntries(inferred.map(([id, found]) => [id, found.join('')]))).toEqual(expected);
});

test.each<[string, string[], string, string]>([
  ['the same path: the lower one', ['/w', '/w', '/w'], 'x', 'x x x'],
  ['one below the other: the one below', ['/usr', '/usr/app'], 'x', ' x'],
  ['the directory of a former one', ['/usr/app', '/usr', '/'], 'x', 'x x x'],
  ['both', ['/a', '/b'], 'xy', 'x xy'],
  ['none', ['/a', '/b'], '', ' '],
])('which WORKDIR made a layer: %s', (_, paths, made, expected) => {
  const { steps, target } = stage('source', ...paths.map(() => 'workdir' as const), 'run');
  const withPaths = steps.map((step, at) => ({ ...step, path: paths[at - 1] }) as Step);
  const last = `s${paths.length + 1}`;
  const states = known({ s0: { layers: '' }, [last]: { layers: `${made}r`, base: made } });
  const inferred = inferStates({ steps: withPaths, target }, states);
  const found = paths.map((__, at) => inferred.get(`s${at + 1}` as StepId)?.join('') ?? '?');
  expect(found.join(' ')).toBe(expected);
});
