/** Progress on a terminal: finished steps scroll by, running ones are a live list with times. */
import { createLogUpdate } from 'log-update';
import type { BuildEvent, EventSink } from '../engine/events.js';
import type { Step, StepId } from '../plan/step.js';
import { formatDuration } from './format.js';
import { describeEvent } from './plain.js';
import { stepNames } from './step-names.js';

const REDRAW_MS = 100;

interface Running {
  readonly since: number;
  lastLine: string;
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}

/** A sink that draws, and `close` to leave the terminal in order. */
export function ttyProgress(stream: NodeJS.WriteStream): { emit: EventSink; close: () => void } {
  const draw = createLogUpdate(stream);
  let names: ReadonlyMap<StepId, string> = new Map();
  let steps: ReadonlyMap<StepId, Step> = new Map();
  const running = new Map<StepId, Running>();
  const name = (id: StepId) => names.get(id) ?? id;
  const redraw = () => {
    const width = (stream.columns ?? 80) - 1;
    const lines = [...running].flatMap(([id, { since, lastLine }]) => {
      const time = formatDuration(Date.now() - since);
      const head = `${name(id)} ${time} ${firstLine(steps.get(id)?.text ?? '')}`;
      return lastLine === '' ? [head] : [head, `  | ${lastLine}`];
    });
    draw(lines.map((line) => line.slice(0, width)).join('\n'));
  };
  const timer = setInterval(redraw, REDRAW_MS);
  timer.unref();
  const emit = (event: BuildEvent) => {
    if (event.type === 'planned') {
      names = stepNames(event.steps);
      steps = new Map(event.steps.map((step) => [step.id, step]));
    }
    if (event.type === 'started') running.set(event.step, { since: Date.now(), lastLine: '' });
    if (event.type === 'finished' || event.type === 'failed' || event.type === 'stopped')
      running.delete(event.step);
    if (event.type === 'output') {
      const state = running.get(event.step);
      if (state) state.lastLine = event.text;
    }
    const text = describeEvent(event, name, (id) => steps.get(id));
    // What runs is in the live list; its beginning need not scroll by as well.
    if (text !== undefined && event.type !== 'started') {
      draw.clear();
      stream.write(`${text}\n`);
    }
    redraw();
  };
  return {
    emit,
    close: () => {
      clearInterval(timer);
      draw.clear();
      draw.done();
    },
  };
}
