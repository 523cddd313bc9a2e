/**
 * Progress for logs that can fold lines: what a step says stands together. Steps run at once, and groups
 * can't overlap: one running step is shown as it goes, the others wait with their lines until it ends.
 */
import type { BuildEvent, EventSink } from '../engine/events.js';
import type { StepId } from '../plan/step.js';
import { plural } from '../util/plural.js';
import { describeExplanation } from '../why/explain.js';
import { openBuildView } from './build-view.js';
import { describeConclusion } from './conclusion.js';
import { describeEvent } from './plain.js';
import { shownLine, shownText } from './terminal-text.js';

/** Writes a log. Texts come from anybody: none of them may be taken for a group or a command. */
export interface GroupWriter {
  /** Lines, without the line feed at the end. */
  readonly text: (text: string) => void;
  readonly begin: (title: string) => void;
  readonly end: () => void;
  /** What people should see at a line of a file, beside the log. */
  readonly annotate?: (event: BuildEvent & { readonly type: 'lint' }) => void;
  readonly warn?: (message: string) => void;
  /** The log may go on with what others write. */
  readonly close?: () => void;
}

/** Of a step that waits; what is above that is left out, the beginning first. */
const MAX_WAITING_LINES = 5000;

interface Shown {
  readonly title: string;
  lines: string[];
  left: number;
  isDone: boolean;
}

function oneLine(text: string): string {
  return text.split(/[\r\n]/, 1)[0] ?? '';
}

/**
 * A sink that writes groups, and `close` to write what still waits.
 * @param clock ms since the epoch
 */
export function groupedProgress(
  writer: GroupWriter,
  clock: () => number = Date.now,
): { emit: EventSink; close: () => void } {
  const { view, add } = openBuildView();
  const name = (id: StepId) => view.names.get(id) ?? id;
  const step = (id: StepId) => view.all.get(id);
  const running = new Map<StepId, Shown>();
  /** Between two groups. */
  let between: (() => void)[] = [];
  let open: StepId | undefined;

  const flush = (shown: Shown): void => {
    if (shown.left > 0) writer.text(`... ${plural(shown.left, 'line')} left out`);
    for (const line of shown.lines) writer.text(line);
    [shown.lines, shown.left] = [[], 0];
  };
  const beginNext = (): void => {
    for (const act of between) act();
    between = [];
    for (const [id, shown] of [...running].sort(
      ([, a], [, b]) => Number(b.isDone) - Number(a.isDone),
    )) {
      writer.begin(shown.title);
      flush(shown);
      if (!shown.isDone) {
        open = id;
        return;
      }
      writer.end();
      running.delete(id);
    }
  };
  const outside = (act: () => void): void => {
    if (open === undefined) act();
    else between.push(act);
  };
  const say = (id: StepId, line: string): void => {
    const shown = running.get(id);
    if (!shown) outside(() => writer.text(line));
    else if (open === id) writer.text(line);
    else shown.lines.push(line);
    if (!shown || shown.lines.length <= MAX_WAITING_LINES) return;
    shown.lines.shift();
    shown.left += 1;
  };
  const finish = (id: StepId, line: string): void => {
    say(id, line);
    const shown = running.get(id);
    if (!shown) return;
    shown.isDone = true;
    if (open !== id) return;
    writer.end();
    running.delete(id);
    open = undefined;
    beginNext();
  };

  const close = (): void => {
    for (const [id] of running) finish(id, `${name(id)} has not ended`);
    beginNext();
    writer.close?.();
  };
  const emit: EventSink = (event) => {
    add(event, clock());
    switch (event.type) {
      case 'planned':
        return;
      case 'started': {
        const title = `${name(event.step)} ${shownLine(oneLine(step(event.step)?.text ?? ''))}`;
        running.set(event.step, { title, lines: [], left: 0, isDone: false });
        if (open === undefined) beginNext();
        if (event.why) say(event.step, shownText(`miss: ${describeExplanation(event.why, name)}`));
        return;
      }
      case 'output':
        return say(event.step, shownLine(event.text));
      case 'placed':
        return say(event.step, shownText(`on ${event.worker}`));
      case 'failed':
        return finish(event.step, `${name(event.step)} failed`);
      case 'finished':
      case 'stopped':
        return finish(event.step, describeEvent(event, name, step) ?? '');
      case 'warning':
        return outside(() => (writer.warn ?? writer.text)(event.message));
      case 'lint': {
        const { annotate } = writer;
        if (annotate) return outside(() => annotate(event));
        break;
      }
    }
    const text = describeEvent(event, name, step);
    if (text !== undefined) outside(() => writer.text(text));
    if (event.type === 'built')
      outside(() => describeConclusion(view).forEach((line) => void writer.text(shownText(line))));
  };
  return { emit, close };
}
