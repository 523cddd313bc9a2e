/**
 * What a report shows, as plain JSON: src/report makes it of a build's record, src/page draws it. It imports
 * nothing, because the page knows nothing of the engine. Times are ms, those of a build since it began; sizes are
 * bytes. Texts have no control characters, except line feeds and tabs.
 */

/** Counts up when a page of before could not draw it. */
export const REPORT_VERSION = 1;

/** What became of a step; `none`: it makes no layer (FROM, ENV, CMD). */
export type StepStatus = 'ran' | 'cached' | 'failed' | 'stopped' | 'running' | 'unreached' | 'none';

/** An entry of a layer: `A` a file or directory, `D` what it deletes. */
export interface ShownEntry {
  readonly mode: string;
  readonly path: string;
  readonly bytes: number;
}

/** Lines of a step's output; those between its beginning and its end may be left out. */
export interface ShownLog {
  readonly head: readonly string[];
  readonly leftOut: number;
  readonly tail: readonly string[];
}

export interface ReportStep {
  readonly id: string;
  /** `build 2/4` */
  readonly name: string;
  readonly stage: string;
  readonly kind: string;
  /** The instruction after expansion. */
  readonly text: string;
  readonly file: string;
  readonly line: number;
  readonly endLine: number;
  /** The step that it continues. */
  readonly parent?: string;
  /** Others whose files it reads. */
  readonly reads: readonly string[];
  readonly status: StepStatus;
  readonly key?: string;
  /** Which of its keys was found. */
  readonly by?: 'definition' | 'content';
  /** Why it ran. */
  readonly why?: string;
  readonly message?: string;
  /** When it was looked up or began, and ended. */
  readonly start?: number;
  readonly end?: number;
  /** How long it took; of a cached step: when it was run. */
  readonly duration: number;
  /** ms that it could have taken longer without the build taking longer; of a step that ran. */
  readonly slack?: number;
  readonly files?: number;
  readonly bytes?: number;
  readonly linked?: number;
  /** What goes into its key, in words. */
  readonly inputs: readonly (readonly [name: string, value: string])[];
  readonly log?: ShownLog;
  /** The largest entries of its layer, and what it deletes. */
  readonly entries?: readonly ShownEntry[];
}

/** A step of the critical path. */
export interface PathPart {
  readonly step: string;
  readonly start: number;
  readonly end: number;
  /** Between the end of what it needed and its start. */
  readonly wait: number;
  /** By how much the build could be faster if it took no time. */
  readonly saves: number;
}

/** Which steps decided how long the build took. */
export interface CriticalPath {
  /** In the order in which they ran. */
  readonly parts: readonly PathPart[];
  /** What the steps on it took in all. */
  readonly busy: number;
  /** The longest chain of steps that need each other: no number of CPUs makes it shorter. */
  readonly floor: number;
  /** What all steps took that ran. */
  readonly work: number;
}

/** A directory or file of the treemap. Short names: there are thousands. */
export interface FileNode {
  /** Name. */
  readonly n: string;
  /** Bytes below it. */
  readonly b: number;
  /** Of these, wasted ones. */
  readonly w?: number;
  /** So many files that are too small to be shown one by one. */
  readonly m?: number;
  readonly c?: readonly FileNode[];
}

/** A layer of the result. */
export interface ReportLayer {
  /** The step that made it; missing for one of the base image. */
  readonly step?: string;
  readonly title: string;
  readonly files: number;
  readonly bytes: number;
  readonly wasted: number;
  readonly tree: FileNode;
}

/** Bytes that are in the image for nothing. */
export interface Waste {
  readonly kind: 'overwritten' | 'deleted' | 'twice';
  readonly path: string;
  readonly bytes: number;
  /** Where the bytes are: index of a layer. */
  readonly layer: number;
  /** The layer that overwrites or deletes it, or that has the same content as well. */
  readonly by: number;
  /** Twice: where the same content is too. */
  readonly other?: string;
}

export interface ReportLayers {
  /** Bottom first. */
  readonly layers: readonly ReportLayer[];
  readonly bytes: number;
  /** The bytes of each kind of waste, all of it. */
  readonly wasted: Readonly<Record<Waste['kind'], number>>;
  /** The largest. */
  readonly waste: readonly Waste[];
  readonly wasteCount: number;
  /** Files of the same size that nobody compared, because that would take long. */
  readonly uncompared: number;
}

/** Bytes that were fetched or sent. */
export interface ReportTransfer {
  readonly what: string;
  readonly name: string;
  readonly bytes: number;
  readonly start: number;
  readonly end: number;
  readonly failed: boolean;
}

export interface ReportNote {
  readonly kind: 'warning' | 'lint';
  readonly text: string;
  /** Of lint: the rule, and where. */
  readonly rule?: string;
  readonly place?: string;
}

/** One platform's build. */
export interface ReportBuild {
  readonly platform: string;
  readonly steps: readonly ReportStep[];
  readonly duration: number;
  readonly ran: number;
  readonly cached: number;
  /** What cached steps took when they were run. */
  readonly saved: number;
  /** Of the result. */
  readonly bytes?: number;
  readonly path: CriticalPath;
  readonly transfers: readonly ReportTransfer[];
  readonly notes: readonly ReportNote[];
  readonly layers?: ReportLayers;
  /** There was a result, and not all of its layers are here. */
  readonly layersGone?: true;
}

/** A former build of the same Dockerfile. */
export interface PastBuild {
  /** ms since the epoch. */
  readonly started: number;
  readonly duration: number;
  readonly ran: number;
  readonly cached: number;
  readonly saved: number;
  readonly failed: boolean;
}

export interface ReportError {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly place?: string;
}

export interface ReportData {
  readonly version: typeof REPORT_VERSION;
  /** Of wiac. */
  readonly wiac: string;
  /** ms since the epoch. */
  readonly started: number;
  readonly command: string;
  readonly context: string;
  readonly dockerfile: string;
  readonly target?: string;
  readonly names: readonly string[];
  /** Missing: it goes on, or was killed. */
  readonly state?: 'running' | 'killed';
  /** Missing where there is a state. */
  readonly exitCode?: number;
  readonly error?: ReportError;
  readonly builds: readonly ReportBuild[];
  /** Oldest first, this one is not among them; empty when nobody kept any. */
  readonly history: readonly PastBuild[];
}
