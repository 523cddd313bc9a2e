/** Frames of a build: what a terminal of a size shows at a moment. */
import { describe, expect, test } from '@jest/globals';
import type { BuildEvent, TransferEvent } from '../../src/engine/events.js';
import { EVENTS_VERSION } from '../../src/engine/events.js';
import type { DefinitionKey } from '../../src/keys/digest.js';
import type { Step, StepId } from '../../src/plan/step.js';
import { openBuildView } from '../../src/ui/build-view.js';
import { describeConclusion } from '../../src/ui/conclusion.js';
import { renderFrame, renderRecord } from '../../src/ui/frame.js';
import { getStep } from '../support/steps.js';

const key = 'k' as DefinitionKey;
const id = (name: string) => name as StepId;
const START = 1_000_000;

/** FROM, `count` RUN steps and ENV, in one stage. */
function stage(name: string, count: number): Step[] {
  const runs = Array.from({ length: count }, (_, at) =>
    getStep('run', `${name}${at + 1}`, {
      stage: name,
      text: `RUN make ${name}${at + 1}\n  more`,
      parent: at === 0 ? undefined : id(`${name}${at}`),
    }),
  );
  return [getStep('source', name, { stage: name }), ...runs];
}

const started = (
  step: string,
  why?: Extract<BuildEvent, { type: 'started' }>['why'],
): BuildEvent => ({
  type: 'started',
  step: id(step),
  key,
  ...(why ? { why } : {}),
});
const cached = (step: string, durationMs = 60_000): BuildEvent => ({
  ...{ type: 'cached', step: id(step), key, by: 'definition', durationMs },
});
const finished = (step: string, durationMs = 1500): BuildEvent => ({
  ...{ type: 'finished', step: id(step), durationMs, files: 1, bytes: 1, linked: 0 },
});
const output = (step: string, text: string): BuildEvent => ({
  ...{ type: 'output', step: id(step), text },
});
const transfer = (facts: Partial<TransferEvent> = {}): TransferEvent => ({
  type: 'transfer',
  id: '1',
  what: 'pull',
  name: `sha256:${'ab'.repeat(32)}`,
  done: 12_300_000,
  total: 168_000_000,
  durationMs: 2000,
  state: 'running',
  ...facts,
});

function viewOf(steps: readonly Step[], ...events: BuildEvent[]) {
  const { view, add } = openBuildView();
  for (const event of [{ type: 'planned', version: EVENTS_VERSION, steps } as const, ...events])
    add(event, START);
  return view;
}

const at = (columns: number, rows: number, colour = false) => ({
  columns,
  rows,
  colour,
  now: START + 12_100,
});

const BUSY = [
  ...['build1', 'build2'].map((step) => cached(step, 126_000)),
  started('build3', { kind: 'new' }),
  output('build3', '1 of 3'),
  output('build3', '10%\r\x1b[32m20%'),
  started('final1', { kind: 'no cache' }),
  finished('final1', 310),
];

test('80 x 24: every step, the reason of a miss, the last lines of what runs', () => {
  const view = viewOf([...stage('build', 4), ...stage('final', 2)], ...BUSY, transfer());
  expect(renderFrame(view, at(80, 24))).toEqual([
    '3/6 steps, 1 running, 2 cached, saved 4m12s',
    '  [build 2/5]  cached RUN make build1',
    '  [build 3/5]  cached RUN make build2',
    '> [build 4/5]   12.1s RUN make build3  (new)',
    '  | 1 of 3',
    '  | 20%',
    '  [build 5/5] waiting RUN make build4',
    '  [final 2/3]   0.31s RUN make final1',
    '  [final 3/3] waiting RUN make final2',
    '> pull 12.3 MB of 168 MB, 6.15 MB/s  abababababab',
  ]);
});

test('a stage stands below those that it needs', () => {
  const [first, ...rest] = stage('final', 2) as [Step, Step, Step];
  const view = viewOf([first, rest[0] as Step, ...stage('tools', 1), rest[1] as Step]);
  expect(renderFrame(view, at(80, 24)).slice(1)).toEqual([
    '  [tools 2/2] waiting RUN make tools1',
    '  [final 2/3] waiting RUN make final1',
    '  [final 3/3] waiting RUN make final2',
  ]);
});

test('where there is less room, what does not run is folded', () => {
  const view = viewOf([...stage('build', 20), ...stage('final', 2)], ...BUSY);
  expect(renderFrame(view, at(40, 15))).toEqual([
    '3/22 steps, 1 running, 2 cached, saved…',
    '  [build] 2 cached',
    '> [build 4/21]    12.1s RUN make build…',
    '  | 1 of 3',
    '  | 20%',
    '  [build] 17 waiting',
    '  [final] 1 done, 1 waiting',
  ]);
});

test('where there is hardly any, what runs is shown, and how much is not', () => {
  const stages = Array.from({ length: 12 }, (_, index) => stage(`s${index}`, 2));
  const view = viewOf(stages.flat(), ...[0, 3, 6, 7, 8].map((index) => started(`s${index}1`)));
  expect(renderFrame(view, at(40, 6))).toEqual([
    '0/24 steps, 5 running',
    '> [s0 2/3]   12.1s RUN make s01',
    '> [s3 2/3]   12.1s RUN make s31',
    '> [s6 2/3]   12.1s RUN make s61',
    '  … 2 more lines',
  ]);
});

test('no frame has more rows or columns than the terminal, whatever its size', () => {
  const view = viewOf([...stage('build', 9), ...stage('日本語', 3)], ...BUSY, transfer());
  for (let columns = 1; columns < 60; columns += 9)
    for (let rows = 1; rows < 20; rows += 3) {
      const lines = renderFrame(view, at(columns, rows));
      expect(lines.length).toBeLessThan(Math.max(2, rows));
      for (const line of lines) expect(line.length).toBeLessThan(Math.max(2, columns));
    }
});

test('a window folds when its step is done, and stays when it failed', () => {
  const steps = stage('build', 2);
  const events = [started('build1'), output('build1', 'said'), started('build2')];
  const done = viewOf(steps, ...events, finished('build1'));
  expect(renderFrame(done, at(80, 24)).join('\n')).not.toContain('| said');
  const failed = viewOf(steps, ...events, { type: 'failed', step: id('build1'), message: '' });
  expect(renderFrame(failed, at(80, 24)).slice(0, 3)).toEqual([
    '0/2 steps, 1 failed, 1 running',
    'x [build 2/3]  failed RUN make build1',
    '  | said',
  ]);
});

test('many transfers are one for each purpose', () => {
  const many = Array.from({ length: 6 }, (_, index) =>
    transfer({ id: `${index}`, done: 1e6, total: 2e6 }),
  );
  const view = viewOf([], ...many, transfer({ id: 'p', what: 'push', done: 5, total: 10 }));
  expect(renderFrame(view, at(80, 24))).toEqual([
    '> pull 6.00 MB of 12.0 MB, 3.00 MB/s  6 at once',
    '> push 5 B of 10 B, 3 B/s  1 at once',
  ]);
  const ended = viewOf([], transfer(), transfer({ state: 'done' }));
  expect(renderFrame(ended, at(80, 24))).toEqual([]);
});

test('colours, if they are wanted', () => {
  const view = viewOf(stage('build', 1), cached('build1', 0));
  expect(renderFrame(view, at(80, 24, true))).toEqual([
    '\x1b[1m1/1 steps\x1b[22m, \x1b[32m1 cached\x1b[39m',
    '\x1b[32m  \x1b[39m\x1b[2m[build 2/2]\x1b[22m\x1b[32m  cached \x1b[39mRUN make build1',
  ]);
});

test('at the end what ran and why stays, and what was cached in a line', () => {
  const view = viewOf(stage('build', 5), ...BUSY, finished('build3'), {
    type: 'failed',
    step: id('build4'),
    message: '',
  });
  expect(renderRecord(view, at(80, 0))).toEqual([
    '  [build] 2 cached',
    '  [build 4/6]   1.50s RUN make build3  (new)',
    'x [build 5/6]  failed RUN make build4',
  ]);
});

describe('the conclusion', () => {
  test('the three slowest, and what the cache saved; nothing of what is quick', () => {
    const events = [900, 1200, 5000, 3000, 2000].map((ms, at) => finished(`build${at + 1}`, ms));
    expect(describeConclusion(viewOf(stage('build', 6), ...events, cached('build6')))).toEqual([
      'the cache saved 1m00s',
      'slowest: [build 4/7] 5.00s, [build 5/7] 3.00s, [build 6/7] 2.00s',
    ]);
    expect(describeConclusion(viewOf(stage('build', 2), finished('build1', 10)))).toEqual([]);
  });
});
