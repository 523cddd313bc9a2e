/**
 * What is kept of a build: plain data, one JSON object a line, in the order in which it happened. docs/history.md
 * describes it for programs, cache-format.md where it lies.
 */
import type { Step, StepId } from '../../plan/step.js';
import type { SourceLocation } from '../../util/errors.js';
import type { BuildEvent } from '../events.js';

/** Counts up when a row loses a member, or a member gets another meaning; new ones may come. */
export const RECORD_VERSION = 1;

/** Name of a build: eight random digits of base 32. A unique beginning is enough for people. */
export type BuildId = string & { readonly __brand: 'BuildId' };

/** The first row: what was asked for. */
export interface BuildHeader {
  readonly type: 'build';
  readonly version: typeof RECORD_VERSION;
  readonly id: BuildId;
  /** ms since 1970. */
  readonly started: number;
  /** The process that builds, as the store knows it: it says whether the build still runs. */
  readonly process: string;
  /** Version of wiac. */
  readonly wiac: string;
  /** Words of the command line after `wiac`, without what looks like a secret. */
  readonly command: readonly string[];
  /** Absolute path, or the URL; `-` is standard input. */
  readonly context: string;
  /** The same of the Dockerfile. */
  readonly dockerfile: string;
  readonly target?: string;
  /** As they were asked for; left out when that is this machine's. */
  readonly platforms?: readonly string[];
}

/** A step as it is kept: what people and pictures need of it. Its operands are in the cache, by its key. */
export type RecordedStep = Pick<
  Step,
  'id' | 'kind' | 'parent' | 'reads' | 'text' | 'stage' | 'platform' | 'location'
> & {
  /** `[build 2/4]` */
  readonly name: string;
  /** Of COPY: the step that it takes files from; left out when that is a build context. */
  readonly from?: StepId | undefined;
};

/** An error of the command: `error` of docs/events.md. */
export interface RecordedError {
  readonly type: 'error';
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
  readonly location?: SourceLocation | undefined;
  readonly stepExitCode?: number;
  readonly lastLines?: readonly string[];
}

/** What was left out in the middle of a step's output, because that was too long. */
export interface RecordedCut {
  readonly type: 'cut';
  readonly step: StepId;
  readonly lines: number;
  readonly bytes: number;
}

/** An event of docs/events.md as it is kept. */
export type RecordedEvent =
  | Exclude<BuildEvent, { type: 'planned' | 'unfinished' }>
  | (Omit<Extract<BuildEvent, { type: 'planned' }>, 'steps'> & {
      readonly steps: readonly RecordedStep[];
    })
  | RecordedCut
  | RecordedError;

/** How a build can end. */
export type BuildOutcome = 'ok' | 'failed' | 'interrupted';

/** The last row: what came of it. */
export interface BuildResultRow {
  readonly type: 'result';
  readonly outcome: BuildOutcome;
  readonly exitCode: number;
  readonly durationMs: number;
  /** Of each platform: layer directories, topmost first; empty where the result is elsewhere. */
  readonly lowerdirs: readonly string[];
  /** Names that the result got. */
  readonly images: readonly string[];
  readonly totals: BuildTotals;
}

/** Numbers of a build, of all platforms together. */
export interface BuildTotals {
  readonly cached: number;
  readonly executed: number;
  /** ms that the steps took when they were run that were found in the cache. */
  readonly savedMs: number;
  /** Names of the steps that failed: `[build 2/4]`. */
  readonly failed: readonly string[];
}

/** Rows after the first one have when they happened: ms since the build started. */
export type Timed<Row> = Row & { readonly at: number };

/** A line of a record. */
export type RecordRow = BuildHeader | Timed<RecordedEvent> | Timed<BuildResultRow>;

/** `running`: its process is alive; `killed`: it is not, and left no result. */
export type BuildStatus = BuildOutcome | 'running' | 'killed';

/** A build in the list of builds. */
export interface BuildSummary {
  readonly header: BuildHeader;
  readonly status: BuildStatus;
  readonly result: BuildResultRow | undefined;
  /** Those of the result; of a build without one, as far as it came. */
  readonly totals: BuildTotals;
  /** Of a build without a result: until the last thing that is known of it, or until now. */
  readonly durationMs: number;
}

/** All that is kept of a build. */
export interface BuildRecord extends BuildSummary {
  /** The steps of each platform, in the order in which the platforms were built. */
  readonly plans: readonly (readonly RecordedStep[])[];
  /** A `planned` begins each platform: ids of steps count from there on. */
  readonly events: readonly Timed<RecordedEvent>[];
}
