/** Progress as lines of text, each with its step's name in front: for logs and pipes. */
import type { BuildEvent, EventSink } from '../engine/events.js';
import type { Step, StepId } from '../plan/step.js';
import { describeExplanation } from '../why/explain.js';
import { formatBytes, formatDuration } from './format.js';
import { stepNames } from './step-names.js';
import { shownLine, shownText } from './terminal-text.js';

/** At most so many warnings are printed one by one. */
const SHOWN_WARNINGS = 50;

function describeWarnings(warnings: (BuildEvent & { type: 'lint' })['warnings']): string {
  const count = warnings.length;
  const lines = warnings
    .slice(0, SHOWN_WARNINGS)
    .map(({ rule, detail, line }) => ` - ${rule}: ${detail} (line ${line})`);
  if (count > SHOWN_WARNINGS) lines.push(` - and ${count - SHOWN_WARNINGS} more`);
  const found = `${count} ${count === 1 ? 'warning' : 'warnings'} found`;
  return ['', ` ${found} (wiac build --check shows the lines):`, ...lines].join('\n');
}

/** A warning as a line, like those of every command. */
export function describeWarning(message: string): string {
  return `wiac: warning: ${message}`;
}

/** As it is: with what a terminal would obey. */
function rawText(
  event: BuildEvent,
  name: (id: StepId) => string,
  step: (id: StepId) => Step | undefined,
): string | undefined {
  switch (event.type) {
    case 'warning':
      return describeWarning(event.message);
    case 'planned':
    case 'failed':
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
    case 'stopped':
      return `${name(event.step)} stopped`;
    case 'output':
      return `${name(event.step)} | ${shownLine(event.text)}`;
    case 'finished': {
      const linked = event.linked > 0 ? `, ${event.linked} linked` : '';
      const size = `${event.files} files${linked}, ${formatBytes(event.bytes)}`;
      return `${name(event.step)} done in ${formatDuration(event.durationMs)} (${size})`;
    }
    case 'lint':
      return describeWarnings(event.warnings);
    case 'built':
      return `built in ${formatDuration(event.durationMs)}: ${event.cached} steps cached, ${event.executed} run`;
  }
}

/** One event as text that drives no terminal; undefined when there is nothing to say. */
export function describeEvent(...args: Parameters<typeof rawText>): string | undefined {
  const text = rawText(...args);
  return text === undefined ? undefined : shownText(text);
}

/** A sink that writes lines. */
export function plainProgress(write: (text: string) => void): EventSink {
  let names: ReadonlyMap<StepId, string> = new Map();
  let steps: ReadonlyMap<StepId, Step> = new Map();
  return (event) => {
    if (event.type === 'planned') {
      names = stepNames(event.steps);
      steps = new Map(event.steps.map((step) => [step.id, step]));
    }
    const text = describeEvent(
      event,
      (id) => names.get(id) ?? id,
      (id) => steps.get(id),
    );
    if (text !== undefined) write(`${text}\n`);
  };
}
