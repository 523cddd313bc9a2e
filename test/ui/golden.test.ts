/**
 * Whole builds on terminals of three sizes, moment by moment, as golden/*.txt have them. After a change that
 * is meant: WRITE_FRAMES=1, then look at each of them.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, jest, test } from '@jest/globals';
import type { BuildEvent, TransferEvent } from '../../src/engine/events.js';
import { EVENTS_VERSION } from '../../src/engine/events.js';
import type { DefinitionKey } from '../../src/keys/digest.js';
import type { Step, StepId } from '../../src/plan/step.js';
import { ttyProgress } from '../../src/ui/tty.js';
import { emulator } from '../support/emulator.js';
import { getStep } from '../support/steps.js';

const key = 'k' as DefinitionKey;
const id = (name: string) => name as StepId;

/**
 * An event, time that goes by (ms), the terminal's new size, a moment to look at the screen, or the end of the
 * build.
 */
type Happening = BuildEvent | number | readonly [columns: number, rows: number] | string | null;

const STEPS: readonly Step[] = [
  getStep('source', 'base', { stage: 'build', text: 'FROM debian:12 AS build' }),
  getStep('copy', 'list', { stage: 'build', text: 'COPY package.json .', parent: id('base') }),
  getStep('run', 'npm', { stage: 'build', text: 'RUN npm ci', parent: id('list') }),
  getStep('copy', 'src', { stage: 'build', text: 'COPY . .', parent: id('npm') }),
  getStep('run', 'make', {
    ...{ stage: 'build', parent: id('src') },
    text: 'RUN npm run build -- --mode production --out-dir /srv/app/with/a/long/path && rm -rf .cache',
  }),
  getStep('run', 'docs', { stage: 'docs', text: 'RUN make -C docs html', parent: id('base') }),
  getStep('run', 'user', { stage: 'final', text: 'RUN adduser app', parent: undefined }),
  getStep('copy', 'out', { stage: 'final', text: 'COPY --from=build /srv /srv', from: id('make') }),
];

const planned: BuildEvent = { type: 'planned', version: EVENTS_VERSION, steps: STEPS };
const started = (
  step: string,
  why?: Extract<BuildEvent, { type: 'started' }>['why'],
): BuildEvent => ({
  ...{ type: 'started', step: id(step), key },
  ...(why ? { why } : {}),
});
const cached = (step: string, durationMs: number): BuildEvent => ({
  ...{ type: 'cached', step: id(step), key, by: 'definition', durationMs },
});
const finished = (step: string, durationMs: number): BuildEvent => ({
  ...{ type: 'finished', step: id(step), durationMs, files: 12, bytes: 3_400_000, linked: 0 },
});
const output = (step: string, text: string): BuildEvent => ({
  ...{ type: 'output', step: id(step), text },
});
const writing = (step: string, text: string): BuildEvent => ({
  ...{ type: 'unfinished', step: id(step), text },
});
const built: BuildEvent = {
  ...{ type: 'built', durationMs: 95_000, cached: 2, executed: 5, bytes: 210_000_000 },
};
const pull = (layer: number, done: number, state: TransferEvent['state'] = 'running') =>
  ({
    ...{
      type: 'transfer',
      id: `t${layer}`,
      what: 'pull',
      name: `sha256:${`${layer}a`.repeat(32)}`,
    },
    ...{ done: done * 1e6, total: 84e6, durationMs: done * 40, state },
  }) as const satisfies BuildEvent;
const changed: Extract<BuildEvent, { type: 'started' }>['why'] = {
  ...{ kind: 'different', entry: key },
  difference: {
    kind: 'instruction',
    before: 'RUN npm run build',
    after: 'RUN npm run build -- --mode production',
  },
};

const SCENARIOS: Readonly<Record<string, readonly Happening[]>> = {
  'multi-stage': [
    planned,
    ...[cached('list', 200), cached('npm', 48_000), started('src', { kind: 'new' })],
    ...[300, 'a COPY runs', finished('src', 310)],
    ...[
      started('make', changed),
      started('docs', { kind: 'new' }),
      started('user', { kind: 'new' }),
    ],
    ...[
      output('make', 'vite v5.0.0 building for production...'),
      output('docs', 'sphinx 7.2'),
      1500,
    ],
    ...[
      output('make', 'transforming (812) src/pages/index.tsx'),
      finished('user', 1500),
      'three stages',
    ],
    ...[
      62_000,
      finished('docs', 63_500),
      output('make', '✓ 1204 modules transformed.'),
      'a minute later',
    ],
    ...[
      28_000,
      finished('make', 91_500),
      started('out', { kind: 'new' }),
      600,
      finished('out', 600),
    ],
    ...[built, null, 'the end'],
  ],
  chatty: [
    ...[planned, cached('list', 200), started('npm', { kind: 'new' })],
    ...Array.from({ length: 40 }, (_, at) =>
      output('npm', `\x1b[32madded\x1b[0m package ${at} ${'of a long name '.repeat(at % 7)}`),
    ),
    ...[1000, 'colours are left out'],
    ...[
      output('npm', '\x1b]0;a title\x07\x1b[2J\x1b[Hnothing\tis cleared'),
      writing('npm', 'fetching 10%\rfetching 55%'),
    ],
    ...[
      400,
      'a bar that goes on',
      output('npm', '日本語 🙂 wide'),
      writing('npm', '###'),
      300,
      'wide characters',
    ],
  ],
  silent: [planned, started('npm'), 1000, 'a second', 90_000, 'a minute and a half'],
  failing: [
    ...[
      planned,
      cached('list', 200),
      cached('npm', 48_000),
      cached('src', 10),
      started('make', changed),
    ],
    ...[started('docs', { kind: 'new' }), output('docs', 'sphinx 7.2')],
    ...[
      ...Array.from({ length: 9 }, (_, at) => output('make', `line ${at}`)),
      output('make', 'error TS2304: Cannot find name'),
    ],
    ...[
      2000,
      { type: 'failed', step: id('make'), message: 'exit code 2' } as const,
      100,
      'it has failed',
    ],
    ...[{ type: 'stopped', step: id('docs') } as const, null, 'the end'],
  ],
  interrupted: [
    ...[planned, started('npm', { kind: 'new' }), output('npm', 'half of it'), 3000],
    ...[{ type: 'stopped', step: id('npm') } as const, null, 'the end'],
  ],
  resized: [
    ...[
      planned,
      cached('list', 200),
      started('npm', { kind: 'new' }),
      output('npm', 'word '.repeat(30)),
      200,
      'before',
    ],
    ...[
      [40, 15] as const,
      200,
      'smaller',
      [100, 30] as const,
      200,
      'larger',
      finished('npm', 700),
      200,
      null,
      'the end',
    ],
  ],
  pulling: [
    ...[
      pull(1, 0),
      100,
      'before the plan',
      pull(1, 20),
      pull(2, 4),
      pull(3, 1),
      400,
      'three layers',
    ],
    ...[pull(4, 1), pull(5, 1), pull(6, 1), 400, 'many'],
    ...[1, 2, 3, 4, 5, 6].map((layer) => pull(layer, 84, 'done')),
    ...[planned, started('npm', { kind: 'new' }), 400, 'the build'],
  ],
};

const SIZES = [
  [120, 40],
  [80, 24],
  [40, 15],
] as const;

/** All looks at the screen. */
async function play(script: readonly Happening[], [columns, rows]: (typeof SIZES)[number]) {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'setTimeout'] });
  const { stream, visible, resize } = emulator(columns, rows);
  let now = 0;
  const progress = ttyProgress(stream as never, false, () => now);
  const looks: string[] = [];
  const look = async (title: string, wide: string) =>
    looks.push(`--- ${title} (${wide})`, ...(await visible()), '');
  let size = `${columns}x${rows}`;
  for (const happening of script) {
    if (typeof happening === 'number') {
      now += happening;
      jest.advanceTimersByTime(happening);
    } else if (typeof happening === 'string') {
      jest.advanceTimersByTime(100);
      await look(happening, size);
    } else if (happening === null) progress.close();
    else if ('type' in happening) progress.emit(happening);
    else {
      size = happening.join('x');
      await resize(...happening);
    }
  }
  jest.useRealTimers();
  return `${looks.join('\n')}`;
}

describe.each(Object.entries(SCENARIOS))('%s', (name, script) => {
  test.each(SIZES)('%i x %i', async (columns, rows) => {
    const frames = await play(script, [columns, rows] as (typeof SIZES)[number]);
    const file = `test/ui/golden/${name}-${columns}x${rows}.txt`;
    if (process.env.WRITE_FRAMES) writeFileSync(file, frames);
    expect(frames).toBe(readFileSync(file, 'utf8'));
    // What a line of it may be at most, wherever the terminal ends.
    if (name === 'resized') return;
    for (const line of frames.split('\n').filter((text) => !text.startsWith('--- ')))
      expect([...line].length).toBeLessThanOrEqual(columns);
  });
});
