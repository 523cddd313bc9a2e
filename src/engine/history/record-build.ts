/** Keeps what happens in a build while it happens. Whatever goes wrong with that, the build goes on. */
import { randomBytes } from 'node:crypto';
import type { StepId } from '../../plan/step.js';
import type { HistoryBounds } from '../../store/builds/build-files.js';
import { boundBuildFiles, createBuildFile } from '../../store/builds/build-files.js';
import { DEFAULT_BOUNDS } from '../../store/builds/history-bounds.js';
import { base32 } from '../../store/layers/random-name.js';
import type { Store } from '../../store/store.js';
import { InterruptedError, StepFailedError, WiacError } from '../../util/errors.js';
import { openSteadyClock } from '../../util/steady-clock.js';
import { VERSION } from '../../util/version.js';
import type { EventSink } from '../events.js';
import { countTotals } from './build-totals.js';
import { openOutputBudget } from './output-budget.js';
import type {
  BuildHeader,
  BuildId,
  BuildResultRow,
  RecordedError,
  RecordedEvent,
  Timed,
} from './record.js';
import { RECORD_VERSION } from './record.js';
import { cutText, recordedPlan } from './recorded-plan.js';
import type { Variables } from './redact-record.js';
import { openRowWriter, redactCommand } from './redact-record.js';
import { openBatches } from './row-batches.js';
import { thinTransfers } from './thin-transfers.js';

/** What was asked for. */
export interface BuildOrigin {
  /** Words of the command line, without the program. */
  readonly command: readonly string[];
  readonly context: string;
  readonly dockerfile: string;
  readonly target?: string | undefined;
  readonly platforms?: readonly string[] | undefined;
  /** Build arguments and the like: values of those that sound secret are kept nowhere. */
  readonly variables: Variables;
}

/** What came of a build that did not fail. */
export type BuildGain = Pick<BuildResultRow, 'lowerdirs' | 'images'>;

/** A build that is kept while it goes on. */
export interface BuildRecorder {
  readonly id: BuildId;
  readonly emit: EventSink;
  /** The build is done. */
  readonly end: (gain: BuildGain) => void;
  /** It is not, because of this error. */
  readonly fail: (error: unknown) => void;
  /** Keeps a text out of the record from now on: the content of a secret. */
  readonly hide: (text: string) => void;
}

/** Of a line of output. */
const LONGEST_LINE = 16 * 1024;
/** Of a row, and of all. Output comes first to its end: control characters take six bytes each. */
const LONGEST_ROW = 4 * 1024 * 1024;
const MOST_BYTES = 32 * 1024 * 1024;
const MOST_OUTPUT_BYTES = 24 * 1024 * 1024;
/** A build that ran nothing and left no more than this does not make former ones be counted. */
const LARGE = 256 * 1024;

/** An error of the command as it is kept. */
export function toRecordedError(error: unknown): Omit<RecordedError, 'type'> {
  if (!(error instanceof WiacError))
    return { code: 'INTERNAL', message: String((error as Error)?.message ?? error) };
  const { code, message, hint } = error;
  const location = 'location' in error ? (error.location as RecordedError['location']) : undefined;
  if (!(error instanceof StepFailedError)) return { code, message, hint, location };
  const { stepExitCode, lastLines } = error;
  return { code, message, hint, location, stepExitCode, lastLines };
}

/**
 * Begins the record of a build.
 * @param clock ms since 1970; it goes on evenly
 */
export function recordBuild(
  store: Pick<Store, 'paths'>,
  origin: BuildOrigin,
  bounds: HistoryBounds = DEFAULT_BOUNDS,
  clock: () => number = openSteadyClock(),
): BuildRecorder {
  const started = clock();
  const id = base32(randomBytes(16)).slice(0, 8) as BuildId;
  const { write: toText, hide } = openRowWriter(origin.variables);
  const batches = openBatches(() => createBuildFile(store, id, started, clock()));
  const output = openOutputBudget();
  const counter = countTotals();
  const isInBetween = thinTransfers();
  let bytes = 0;
  let isOpen = true;

  const add = (row: Timed<RecordedEvent | BuildResultRow> | BuildHeader): void => {
    const text = toText(row);
    bytes += text.length;
    const most = row.type === 'output' ? MOST_OUTPUT_BYTES : MOST_BYTES;
    // Nothing hostile makes a file of gigabytes.
    if (row.type === 'result' || (bytes < most && text.length < LONGEST_ROW)) batches.add(text);
  };
  const addOutput = (step: StepId, text: string, at: number): void => {
    const line = { at, text: cutText(text, LONGEST_LINE) };
    if (output.add(step, line)) add({ type: 'output', step, ...line });
  };
  const endOutput = (step: StepId): void => {
    const { cut, lines } = output.end(step);
    if (cut) add(cut);
    for (const line of lines) add({ type: 'output', step, ...line });
  };
  const emit: EventSink = (event) => {
    // A line that is being written is kept when it has been.
    if (!isOpen || event.type === 'unfinished') return;
    const at = clock() - started;
    if (event.type === 'output') return addOutput(event.step, event.text, at);
    if (isInBetween(event, at)) return;
    const kept: RecordedEvent =
      event.type === 'planned' ? { ...event, steps: recordedPlan(event.steps) } : event;
    if (event.type === 'finished' || event.type === 'failed' || event.type === 'stopped')
      endOutput(event.step);
    counter.add(kept);
    add({ ...kept, at });
    // Whoever looks now sees what is running.
    if (event.type === 'started' || event.type === 'failed') batches.flush();
  };
  const close = (
    result: Pick<BuildResultRow, 'outcome' | 'exitCode'> & BuildGain,
    error?: Omit<RecordedError, 'type'>,
  ): void => {
    for (const step of output.open()) endOutput(step);
    const at = clock() - started;
    if (error) add({ type: 'error', at, ...error });
    add({ type: 'result', at, durationMs: at, totals: counter.totals(), ...result });
    batches.close();
    isOpen = false;
    try {
      const { cached, executed } = counter.totals();
      boundBuildFiles(store, bounds, started, executed > 0 || cached === 0 || bytes > LARGE);
    } catch {
      // Another build will do it.
    }
  };

  add({
    type: 'build',
    version: RECORD_VERSION,
    id,
    started,
    process: store.paths.self.id,
    wiac: VERSION,
    command: redactCommand(origin.command),
    context: origin.context,
    dockerfile: origin.dockerfile,
    ...(origin.target === undefined ? {} : { target: origin.target }),
    ...(origin.platforms === undefined ? {} : { platforms: origin.platforms }),
  });
  return {
    id,
    emit,
    hide,
    end: (gain) => {
      if (isOpen) close({ outcome: 'ok', exitCode: 0, ...gain });
    },
    fail: (error) => {
      if (!isOpen) return;
      const exitCode = error instanceof WiacError ? error.exitCode : 1;
      const outcome = error instanceof InterruptedError ? 'interrupted' : 'failed';
      close({ outcome, exitCode, lowerdirs: [], images: [] }, toRecordedError(error));
    },
  };
}

/** Nothing is kept. */
export const NO_RECORDER: Omit<BuildRecorder, 'id'> = {
  emit: () => {},
  end: () => {},
  fail: () => {},
  hide: () => {},
};
