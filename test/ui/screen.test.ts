/** What a terminal has on it after frames were written to it, in an emulator. */
import { beforeEach, expect, jest, test } from '@jest/globals';
import { EVENTS_VERSION } from '../../src/engine/events.js';
import type { DefinitionKey } from '../../src/keys/digest.js';
import type { StepId } from '../../src/plan/step.js';
import { framePatch } from '../../src/ui/screen.js';
import { ttyProgress, usesColour } from '../../src/ui/tty.js';
import { emulator } from '../support/emulator.js';
import { getStep } from '../support/steps.js';

test('lines come and go anywhere in a frame', async () => {
  const { stream, shown } = emulator(20, 10);
  let former: string[] = [];
  for (const next of [['a', 'b'], ['a', 'x', 'b'], ['x', 'bb'], ['b'], [], ['y', 'z']]) {
    stream.write(framePatch(former, next));
    expect(await shown()).toEqual(next);
    former = next;
  }
});

const step = (number: number) => `s${number}` as StepId;
const key = 'k' as DefinitionKey;
/** A build whose steps all run at once, and say much. */
function busy(columns: number, rows: number, count: number) {
  const made = emulator(columns, rows);
  let now = 0;
  const progress = ttyProgress(made.stream as never, false, () => now);
  const steps = Array.from({ length: count }, (_, at) =>
    getStep('run', step(at), { text: `RUN make a program with a long command line ${at}` }),
  );
  progress.emit({ type: 'planned', version: EVENTS_VERSION, steps });
  const pass = (ms: number) => {
    now += ms;
    jest.advanceTimersByTime(ms);
  };
  const work = () => {
    for (let at = 0; at < count; at += 1) {
      progress.emit({ type: 'started', step: step(at), key, why: { kind: 'new' } });
      for (let line = 0; line < 5; line += 1) {
        progress.emit({
          type: 'output',
          step: step(at),
          text: `${at}\x1b[5A: ${'x'.repeat(line * 30)}`,
        });
        pass(30);
      }
      const ended = { durationMs: 150, files: 1, bytes: 1, linked: 0 };
      // One of three goes on.
      if (at % 3 > 0) progress.emit({ type: 'finished', step: step(at), ...ended });
    }
    pass(100);
  };
  return { ...made, progress, pass, work };
}

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'setTimeout'] });
});

test.each([
  [80, 24],
  [40, 15],
])('%i x %i: nothing scrolls away, and the screen is the frame', async (columns, rows) => {
  const { shown, progress, work, terminal } = busy(columns, rows, 30);
  work();
  const lines = await shown();
  expect(terminal.buffer.active.baseY).toBe(0);
  expect(lines.filter((line) => line?.includes(' steps, '))).toEqual(['20/30 steps, 10 running']);
  expect(lines.length).toBeLessThan(rows);
  expect(lines.filter((line) => line?.startsWith('> ')).length).toBe(10);
  progress.close();
});

const SIZES = [
  [60, 24],
  [100, 30],
  [50, 24],
  [80, 12],
] as const;

test('after a resize there is one frame, in the new size, below what stood above it', async () => {
  const { shown, progress, work, resize, stream } = busy(80, 24, 3);
  stream.write('$ wiac build .\n');
  progress.emit({ type: 'warning', message: 'careful' });
  work();
  for (const [columns, rows] of SIZES) {
    await resize(columns, rows);
    const lines = await shown();
    expect(lines.slice(0, 2)).toEqual(['$ wiac build .', 'wiac: warning: careful']);
    expect(lines.filter((line) => line?.includes(' steps, '))).toEqual(['2/3 steps, 1 running']);
    expect(lines.filter((line) => line?.includes('make a program'))).toHaveLength(3);
  }
  progress.close();
  const lines = await shown();
  expect(lines.slice(0, 2)).toEqual(['$ wiac build .', 'wiac: warning: careful']);
  expect(lines.filter((line) => line?.includes(' steps, '))).toEqual([]);
});

test('a frame of the whole terminal is one on the screen after a resize as well', async () => {
  const { shown, progress, work, resize, terminal } = busy(80, 24, 30);
  work();
  for (const [columns, rows] of SIZES) {
    await resize(columns, rows);
    // What a narrower window has pushed out above the screen nobody can take back.
    const lines = (await shown()).slice(terminal.buffer.active.baseY);
    expect(lines.filter((line) => line?.includes(' steps, '))).toEqual(['20/30 steps, 10 running']);
    expect(lines.filter((line) => line?.startsWith('> ')).length).toBeGreaterThan(8);
  }
  progress.close();
});

test.each<[NodeJS.ProcessEnv, boolean]>([
  [{}, true],
  [{ NO_COLOR: '' }, true],
  [{ NO_COLOR: '1' }, false],
  [{ CLICOLOR: '0' }, false],
  [{ CLICOLOR: '0', CLICOLOR_FORCE: '1' }, true],
  [{ CLICOLOR: '0', CLICOLOR_FORCE: '0' }, false],
  [{ NO_COLOR: '1', CLICOLOR_FORCE: '1' }, false],
])('colours with %j: %p', (env, colour) => {
  expect(usesColour(env)).toBe(colour);
});

test('paused, nothing is drawn over what has the terminal; then it goes on below', async () => {
  const { stream, shown, progress, work, pass } = busy(60, 20, 2);
  work();
  const before = await shown();
  progress.pause();
  stream.write('shell>\n');
  progress.emit({ type: 'output', step: step(0), text: 'meanwhile' });
  progress.emit({ type: 'warning', message: 'careful' });
  pass(1000);
  expect(await shown()).toEqual([...before, 'shell>']);
  progress.resume();
  const after = (await shown()).slice(before.length + 1);
  expect(after[0]).toBe('wiac: warning: careful');
  expect(after[1]).toMatch(/steps, /);
  expect(after).toContain('  | meanwhile');
  progress.close();
});
