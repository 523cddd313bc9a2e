/** Progress on a terminal: one frame that is drawn over and over, and at the end what stays. */
import type { EventSink } from '../engine/events.js';
import { openBuildView } from './build-view.js';
import { describeConclusion } from './conclusion.js';
import { renderFrame, renderRecord } from './frame.js';
import { describeEvent } from './plain.js';
import type { Progress } from './progress.js';
import { framePatch, lastText, rowsAfterResize, SHOW_CURSOR, textAbove } from './screen.js';

const REDRAW_MS = 100;

/** Where terminals that do not tell their size are taken to be. */
const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

/** A stream to a terminal, as far as it is needed. */
export type Terminal = Pick<NodeJS.WriteStream, 'columns' | 'rows' | 'on' | 'off'> & {
  readonly write: (text: string) => void;
};

/** Colours, as https://no-color.org and https://bixense.com/clicolors have it. */
export function usesColour({ NO_COLOR, CLICOLOR, CLICOLOR_FORCE }: NodeJS.ProcessEnv): boolean {
  if (NO_COLOR) return false;
  if (CLICOLOR_FORCE && CLICOLOR_FORCE !== '0') return true;
  return CLICOLOR !== '0';
}

/**
 * A sink that draws, and `close` to leave the terminal in order. Paused, it draws nothing.
 * @param colour whether it may have any
 * @param clock ms since the epoch
 */
export function ttyProgress(
  stream: Terminal,
  colour: boolean,
  clock: () => number = Date.now,
): Progress {
  const { view, add } = openBuildView();
  /** What is on the terminal. */
  let drawn: readonly string[] = [];
  /** Texts that come behind the steps. */
  const remarks: string[] = [];
  /** Texts that come above the frame, when the terminal is ours again; undefined: it is. */
  let waiting: string[] | undefined;
  const size = () => ({
    columns: stream.columns || DEFAULT_COLUMNS,
    rows: stream.rows || DEFAULT_ROWS,
    now: clock(),
    colour,
  });
  const draw = (rows?: number): void => {
    if (waiting) return;
    const next = renderFrame(view, size());
    if (rows === undefined && next.join('\n') === drawn.join('\n')) return;
    stream.write(framePatch(drawn, next, rows));
    drawn = next;
  };
  const resize = (): void => {
    const { columns, rows } = size();
    draw(Math.min(rows - 1, rowsAfterResize(drawn, columns)));
  };
  const showCursor = (): void => stream.write(SHOW_CURSOR);
  const timer = setInterval(draw, REDRAW_MS);
  timer.unref();
  stream.on('resize', resize);
  process.once('exit', showCursor);
  const describe = (event: Parameters<EventSink>[0]) =>
    describeEvent(
      event,
      (id) => view.names.get(id) ?? id,
      (id) => view.all.get(id),
    ) ?? '';
  const writeAbove = (text: string): void => {
    const next = renderFrame(view, size());
    stream.write(textAbove(drawn, text, next));
    drawn = next;
  };
  const emit: EventSink = (event) => {
    add(event, clock());
    if (event.type === 'lint' || event.type === 'built') remarks.push(describe(event));
    if (event.type !== 'warning') return;
    if (waiting) waiting.push(`${describe(event)}\n`);
    else writeAbove(`${describe(event)}\n`);
  };
  const pause = (): void => {
    draw();
    waiting ??= [];
    // What it shows stays: the last lines of a step that failed.
    stream.write(lastText(drawn, drawn.map((line) => `${line}\n`).join('')));
    drawn = [];
  };
  const resume = (): void => {
    const texts = waiting ?? [];
    waiting = undefined;
    writeAbove(texts.join(''));
  };
  const close = (): void => {
    clearInterval(timer);
    stream.off('resize', resize);
    process.off('exit', showCursor);
    const lines = [...renderRecord(view, size()), ...remarks, ...describeConclusion(view)];
    stream.write(lastText(drawn, lines.map((line) => `${line}\n`).join('')));
    drawn = [];
  };
  return { emit, close, pause, resume };
}
