/** A build that is kept, as people saw it; or some of its steps. */
import type {
  BuildResultRow,
  RecordedEvent,
  RecordedStep,
  Timed,
} from '../engine/history/record.js';
import type { StepId } from '../plan/step.js';
import { openPlain } from './plain.js';
import { describeError } from './report-error.js';

export type LogRow = Timed<RecordedEvent> | Timed<BuildResultRow>;

/** Which rows are shown. */
export interface LogSelection {
  /** Undefined: all steps, and what belongs to none. */
  readonly step?: ((step: RecordedStep) => boolean) | undefined;
  /** Only steps that failed: their rows wait until that is known. */
  readonly failed: boolean;
}

/** Passes on what is selected. */
export interface RowFilter {
  readonly pass: (row: LogRow) => readonly LogRow[];
  /** Was there a step of that name? */
  readonly found: () => boolean;
}

/** Nothing has passed yet. */
export function filterRows({ step: isWanted, failed: failedOnly }: LogSelection): RowFilter {
  const isAll = isWanted === undefined && !failedOnly;
  let wanted = new Set<StepId>();
  let waiting = new Map<StepId, LogRow[]>();
  let found = isWanted === undefined;
  let hasFailed = failedOnly && isWanted === undefined;
  const pass = (row: LogRow): readonly LogRow[] => {
    if (row.type === 'planned') {
      wanted = new Set(row.steps.filter((step) => isWanted?.(step) ?? true).map(({ id }) => id));
      waiting = new Map();
      found ||= wanted.size > 0;
      return [row];
    }
    if (isAll || row.type === 'result') return [row];
    // Its last lines are those of a step.
    if (row.type === 'error') return hasFailed ? [row] : [];
    if (!('step' in row) || !wanted.has(row.step)) return [];
    if (row.type === 'failed') hasFailed = true;
    if (!failedOnly) return [row];
    const rows = [...(waiting.get(row.step) ?? []), row];
    waiting.set(row.step, row.type === 'failed' ? [] : rows);
    return row.type === 'failed' ? rows : [];
  };
  return { pass, found: () => found };
}

/**
 * Writes rows as the progress of a build wrote them.
 * @param started when the build began, ms since 1970
 * @param timestamps each line has its time in front
 */
export function logWriter(
  write: (text: string) => void,
  started: number,
  timestamps: boolean,
): (row: LogRow) => void {
  let now = started;
  const writeLines = (text: string): void => {
    const time = `${new Date(now).toISOString()} `;
    write(timestamps ? text.replace(/^(?=.)/gms, time) : text);
  };
  const { emit } = openPlain(writeLines, () => now);
  return (row) => {
    now = started + row.at;
    if (row.type === 'result') return;
    if (row.type === 'error') writeLines(describeError(row, undefined));
    else emit(row);
  };
}
