/** Progress as lines of text. */
import { describe, expect, jest, test } from '@jest/globals';
import type { BuildEvent, TransferEvent } from '../../src/engine/events.js';
import { EVENTS_VERSION } from '../../src/engine/events.js';
import type { DefinitionKey } from '../../src/keys/digest.js';
import type { StepId } from '../../src/plan/step.js';
import { stepNames } from '../../src/plan/step-names.js';
import { describeEvent, plainProgress } from '../../src/ui/plain.js';
import { getStep } from '../support/steps.js';

const step = 's2' as StepId;
const key = 'k' as DefinitionKey;
const steps = [
  getStep('source', 's1', { text: 'FROM scratch' }),
  getStep('run', 's2', { text: 'RUN make' }),
  getStep('source', 's3', { stage: 'final' }),
];

describe('stepNames', () => {
  test('the place in the stage, of how many', () => {
    expect([...stepNames(steps)]).toEqual([
      ['s1', '[0 1/2]'],
      ['s2', '[0 2/2]'],
      ['s3', '[final 1/1]'],
    ]);
  });

  test('stages whose steps are mixed count for themselves', () => {
    const mixed = [
      getStep('run', 'a', { stage: 'x' }),
      getStep('run', 'b', { stage: 'y' }),
      getStep('run', 'c', { stage: 'x' }),
    ];
    expect([...stepNames(mixed).values()]).toEqual(['[x 1/2]', '[y 1/1]', '[x 2/2]']);
  });
});

function lines(...events: BuildEvent[]): string {
  let text = '';
  const emit = plainProgress((more) => {
    text += more;
  });
  for (const event of [{ type: 'planned', version: EVENTS_VERSION, steps } as const, ...events])
    emit(event);
  return text;
}

test.each<[string, BuildEvent]>([
  ['[0 2/2] CACHED RUN make\n', { type: 'cached', step, key, by: 'definition', durationMs: 1 }],
  [
    '[0 2/2] CACHED (same content) RUN make\n',
    { type: 'cached', step, key, by: 'content', durationMs: 1 },
  ],
  ['[0 2/2] waits for process 7, which runs the same step\n', { type: 'waiting', step, pid: 7 }],
  [
    '[0 2/2] RUN make\n[0 2/2] miss: nothing like it is in the cache\n',
    { type: 'started', step, key, why: { kind: 'new' } },
  ],
  ['[0 2/2] 0.000 | a line\n', { type: 'output', step, text: 'a line' }],
  ['[0 2/2] 0.000 | 100%\n', { type: 'output', step, text: '10%\r\x1b[32m100%' }],
  ['wiac: warning: a name\n', { type: 'warning', message: 'a \x1b]0;title\x07name' }],
  [
    '[0 2/2] done in 1.50s (3 files, 2 linked, 1.00 kB)\n',
    { type: 'finished', step, durationMs: 1500, files: 3, bytes: 1000, linked: 2 },
  ],
  [
    '[0 2/2] done in 1.50s (3 files, 1.00 kB)\n',
    { type: 'finished', step, durationMs: 1500, files: 3, bytes: 1000, linked: 0 },
  ],
  [
    '[0 2/2] was cached there (3 files, 1.00 kB)\n',
    { type: 'finished', step, durationMs: 9, files: 3, bytes: 1000, linked: 0, cached: true },
  ],
  ['[0 2/2] stopped\n', { type: 'stopped', step }],
  // The error message that ends the command says it.
  ['', { type: 'failed', step, message: 'x' }],
  ['wiac: warning: careful\n', { type: 'warning', message: 'careful' }],
  [
    'built in 0.25s: 2 steps cached, 1 run\n',
    { type: 'built', durationMs: 250, cached: 2, executed: 1 },
  ],
])('%j', (text, event) => {
  expect(lines(event)).toBe(text);
});

test('a step before the plan is known is named by its id', () => {
  const text = describeEvent(
    { type: 'stopped', step },
    (id) => id,
    () => undefined,
  );
  expect(text).toBe('s2 stopped');
});

describe('warnings of the linter', () => {
  const warning = (line: number) => ({
    rule: 'Rule',
    description: '',
    detail: `detail ${line}`,
    url: '',
    file: 'Dockerfile',
    line,
  });
  const lint = (count: number): BuildEvent => ({
    type: 'lint',
    warnings: Array.from({ length: count }, (_, at) => warning(at + 1)),
  });

  test('one', () => {
    expect(lines(lint(1))).toBe(
      '\n 1 warning found (wiac build --check shows the lines):\n - Rule: detail 1 (line 1)\n',
    );
  });

  test('of very many the first fifty', () => {
    const text = lines(lint(60)).trimEnd().split('\n');
    expect(text[1]).toContain('60 warnings found');
    expect(text.at(-2)).toBe(' - Rule: detail 50 (line 50)');
    expect(text.at(-1)).toBe(' - and 10 more');
  });
});

describe('in a log that somebody watches', () => {
  const transfer: TransferEvent = {
    type: 'transfer',
    id: 't1',
    what: 'push',
    name: 'sha256:ab',
    done: 0,
    total: 50_000_000,
    durationMs: 0,
    state: 'running',
  };

  /** What is written while time goes by between the events. */
  function watched(...script: (BuildEvent | number)[]): string[] {
    jest.useFakeTimers();
    const written: string[] = [];
    let now = 0;
    const emit = plainProgress(
      (text) => written.push(text.trimEnd()),
      () => now,
    );
    for (const item of [{ type: 'planned', version: EVENTS_VERSION, steps } as const, ...script]) {
      if (typeof item !== 'number') emit(item);
      else {
        for (let at = 0; at < item; at += 1000) {
          now += 1000;
          jest.advanceTimersByTime(1000);
        }
      }
    }
    const left = jest.getTimerCount();
    jest.useRealTimers();
    expect(left).toBe(0);
    return written;
  }

  test('a step that says nothing has a line every 30 s', () => {
    const end: BuildEvent = { type: 'failed', step, message: '' };
    const said: BuildEvent = { type: 'output', step, text: 'x' };
    expect(watched({ type: 'started', step, key }, 29_000, said, 65_000, end, 60_000)).toEqual([
      '[0 2/2] RUN make',
      '[0 2/2] 29.000 | x',
      '[0 2/2] still runs, for 59.0s',
      '[0 2/2] still runs, for 1m29s',
    ]);
  });

  test('a transfer: its beginning, every 30 s, and its end', () => {
    const at = (ms: number): TransferEvent => ({ ...transfer, done: ms * 1000, durationMs: ms });
    const end: TransferEvent = { ...at(50_000), state: 'done' };
    expect(watched(transfer, 3000, at(3000), 500, at(3500), 32_000, end, 1000)).toEqual([
      'push sha256:ab: 3.00 MB of 50.0 MB, 1.00 MB/s',
      'push sha256:ab: 3.50 MB of 50.0 MB, 1.00 MB/s',
      'push sha256:ab: done in 50.0s (50.0 MB, 1.00 MB/s)',
    ]);
  });

  test('one that nobody had to wait for has no line', () => {
    const quick = { ...transfer, durationMs: 2900, state: 'done', done: 50_000_000 } as const;
    expect(watched(transfer, quick, 1000)).toEqual([]);
  });
});
