/** Progress as lines of text, each with its step's name in front: for logs and pipes. */
import type { BuildEvent, EventSink, TransferEvent } from '../engine/events.js';
import type { StepId } from '../plan/step.js';
import { plural } from '../util/plural.js';
import { describeExplanation } from '../why/explain.js';
import type { BuildView, ShownEvent, ShownStep } from './build-view.js';
import { openBuildView } from './build-view.js';
import { describeConclusion } from './conclusion.js';
import { formatBytes, formatDuration, formatTransfer } from './format.js';
import { listenForSilence } from './silence.js';
import { shownLine, shownText } from './terminal-text.js';

/** At most so many warnings are printed one by one. */
const SHOWN_WARNINGS = 50;

/** A transfer that is over sooner is not told of: nobody has waited for it. ms */
const LONG_MS = 3000;

function describeWarnings(warnings: (BuildEvent & { type: 'lint' })['warnings']): string {
  const count = warnings.length;
  const lines = warnings
    .slice(0, SHOWN_WARNINGS)
    .map(({ rule, detail, line }) => ` - ${rule}: ${detail} (line ${line})`);
  if (count > SHOWN_WARNINGS) lines.push(` - and ${count - SHOWN_WARNINGS} more`);
  const found = `${plural(count, 'warning')} found`;
  return ['', ` ${found} (wiac build --check shows the lines):`, ...lines].join('\n');
}

/** A warning as a line, like those of every command. */
export function describeWarning(message: string): string {
  return `wiac: warning: ${message}`;
}

/** The end of a transfer. */
function describeTransfer(event: TransferEvent): string | undefined {
  const { what, name, done, total, durationMs, state } = event;
  if (state === 'running' || durationMs < LONG_MS) return undefined;
  const amount = formatTransfer(done, state === 'done' ? undefined : total, durationMs);
  return `${what} ${name}: ${state} in ${formatDuration(durationMs)} (${amount})`;
}

/** As it is: with what a terminal would obey. */
function rawText(
  event: ShownEvent,
  name: (id: StepId) => string,
  step: (id: StepId) => Pick<ShownStep, 'text'> | undefined,
): string | undefined {
  switch (event.type) {
    case 'warning':
      return describeWarning(event.message);
    case 'planned':
    case 'failed':
    case 'output':
    case 'unfinished':
    case 'error':
      return undefined;
    case 'cached': {
      const how = event.by === 'content' ? 'CACHED (same content)' : 'CACHED';
      return `${name(event.step)} ${how} ${step(event.step)?.text ?? ''}`;
    }
    case 'waiting':
      return `${name(event.step)} waits for process ${event.pid}, which runs the same step`;
    case 'started':
      return [
        `${name(event.step)} ${step(event.step)?.text ?? ''}`,
        ...(event.why ? [`${name(event.step)} miss: ${describeExplanation(event.why, name)}`] : []),
      ].join('\n');
    case 'placed':
      return `${name(event.step)} on ${event.worker}`;
    case 'stopped':
      return `${name(event.step)} stopped`;
    case 'cut': {
      const { lines, bytes } = event;
      return `${name(event.step)} ... ${plural(lines, 'line')} (${formatBytes(bytes)}) not kept ...`;
    }
    case 'finished': {
      const linked = event.linked > 0 ? `, ${event.linked} linked` : '';
      const size = `${plural(event.files, 'file')}${linked}, ${formatBytes(event.bytes)}`;
      const end = event.cached ? 'was cached there' : `done in ${formatDuration(event.durationMs)}`;
      return `${name(event.step)} ${end} (${size})`;
    }
    case 'lint':
      return describeWarnings(event.warnings);
    case 'transfer':
      return describeTransfer(event);
    case 'built': {
      const size = event.bytes === undefined ? '' : `, result ${formatBytes(event.bytes)}`;
      const time = formatDuration(event.durationMs);
      return `built in ${time}: ${plural(event.cached, 'step')} cached, ${event.executed} run${size}`;
    }
  }
}

/** A line of a step's program, with the time since the step began: `[build 2/4] 0.201 | text`. */
export function describeOutput(name: string, text: string, ms: number): string {
  return shownText(`${name} ${(ms / 1000).toFixed(3)} | ${shownLine(text)}`);
}

/**
 * One event as text that drives no terminal; undefined when there is nothing to say. Output has its own
 * form: describeOutput.
 */
export function describeEvent(...args: Parameters<typeof rawText>): string | undefined {
  const text = rawText(...args);
  return text === undefined ? undefined : shownText(text);
}

/** Writes lines as events come, and has a view of the build. @param clock ms since the epoch */
export function openPlain(
  write: (text: string) => void,
  clock: () => number,
): { readonly view: BuildView; readonly emit: (event: ShownEvent) => void } {
  const { view, add } = openBuildView();
  /** Transfers whose beginning was told. */
  const begun = new Set<string>();
  const tellBeginning = (event: TransferEvent): void => {
    // What is over in a second has one line, at its end.
    if (event.state !== 'running' || event.durationMs < LONG_MS || begun.has(event.id)) return;
    begun.add(event.id);
    const { what, name, done, total, durationMs } = event;
    write(`${shownText(`${what} ${name}: ${formatTransfer(done, total, durationMs)}`)}\n`);
  };
  const emit = (event: ShownEvent): void => {
    const now = clock();
    add(event, now);
    if (event.type === 'transfer') tellBeginning(event);
    if (event.type === 'output') {
      const shown = view.steps.get(event.step);
      const since = shown?.status === 'running' ? shown.since : now;
      write(`${describeOutput(shown?.name ?? event.step, event.text, now - since)}\n`);
    }
    const text = describeEvent(
      event,
      (id) => view.names.get(id) ?? id,
      (id) => view.all.get(id),
    );
    if (text !== undefined) write(`${text}\n`);
    if (event.type !== 'built') return;
    for (const line of describeConclusion(view)) write(`${shownText(line)}\n`);
  };
  return { view, emit };
}

/** How often it is looked for what has long said nothing. ms */
const TICK_MS = 1000;

/**
 * A sink that writes lines; what goes on in silence has one every 30 s.
 * @param clock ms since the epoch
 */
export function plainProgress(
  write: (text: string) => void,
  clock: () => number = Date.now,
): EventSink {
  const { view, emit } = openPlain(write, clock);
  const silence = listenForSilence();
  let timer: NodeJS.Timeout | undefined;
  const tick = (): void => {
    for (const text of silence.lines(view, clock())) write(`${shownText(text)}\n`);
    if (silence.waits()) return;
    clearInterval(timer);
    timer = undefined;
  };
  return (event) => {
    silence.hear(event, clock());
    if (!timer && silence.waits()) {
      timer = setInterval(tick, TICK_MS);
      timer.unref();
    }
    emit(event);
  };
}
