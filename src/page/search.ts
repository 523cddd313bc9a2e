/** Finds a text in steps, files and lines of output. Pure. */
import type { ReportStep } from '../report/report-data.js';

export interface Hit {
  readonly kind: 'step' | 'file' | 'log';
  readonly step: string;
  /** Name of the step. */
  readonly name: string;
  readonly text: string;
  /** Of a line of output: its place in what the report has of it. */
  readonly line?: number;
}

export interface Found {
  readonly hits: readonly Hit[];
  /** How many there are of each kind; `hits` has the first ones. */
  readonly counts: Readonly<Record<Hit['kind'], number>>;
}

/** Hits of each kind that are shown. */
const MOST = 30;

/** All lines of a step's output that the report has. */
export function logLines({ log }: ReportStep): readonly string[] {
  return log ? [...log.head, ...log.tail] : [];
}

/** A line of a long text, around where the words are. */
function around(text: string, at: number): string {
  if (text.length <= 160) return text;
  const from = Math.max(0, at - 40);
  return `${from > 0 ? '…' : ''}${text.slice(from, from + 160)}…`;
}

/** All places that have the text, whatever its case. */
export function find(steps: readonly ReportStep[], query: string): Found {
  const words = query.trim().toLowerCase();
  const counts = { step: 0, file: 0, log: 0 };
  const hits: Record<Hit['kind'], Hit[]> = { step: [], file: [], log: [] };
  if (words === '') return { hits: [], counts };
  const look = (step: ReportStep, kind: Hit['kind'], text: string, line?: number): void => {
    const at = text.toLowerCase().indexOf(words);
    if (at === -1) return;
    counts[kind] += 1;
    if (hits[kind].length >= MOST) return;
    const shown = around(text, at);
    hits[kind].push({
      kind,
      step: step.id,
      name: step.name,
      text: shown,
      ...(line === undefined ? {} : { line }),
    });
  };
  for (const step of steps) {
    look(step, 'step', `${step.name} ${step.text.replaceAll('\n', ' ')} ${step.key ?? ''}`);
    for (const { path } of step.entries ?? []) look(step, 'file', path);
    for (const [line, text] of logLines(step).entries()) look(step, 'log', text, line);
  }
  return { hits: [...hits.step, ...hits.file, ...hits.log], counts };
}
