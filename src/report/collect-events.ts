/** The events of a build, added up step by step. What is kept of a step's output is bounded. */
import type {
  RecordedError,
  RecordedEvent,
  RecordedStep,
  Timed,
} from '../engine/history/record.js';
import type { DefinitionKey } from '../keys/digest.js';
import type { StepId } from '../plan/step.js';
import { shownLine } from '../ui/terminal-text.js';
import { printableLines } from '../util/printable.js';
import { describeExplanation } from '../why/explain.js';
import type { ReportNote, ReportTransfer, ShownLog, StepStatus } from './report-data.js';

/** Lines of all steps; each step gets its part, but not less than MIN_LINES. */
const MAX_LINES = 24_000;
const MIN_LINES = 60;
const MAX_LINES_OF_STEP = 2000;
const MAX_LINE = 2000;
/** Before it is made harmless, which is done for those lines alone that are shown. */
const MAX_RAW_LINE = 8 * MAX_LINE;

/** Text of others as it may be shown: nothing that drives a terminal, or turns a line around. */
export function shown(text: string): string {
  const line = printableLines(shownLine(text));
  return line.length > MAX_LINE ? `${line.slice(0, MAX_LINE)}…` : line;
}

/** Lines of an output: the beginning, and the end of the rest. */
interface Log {
  readonly head: string[];
  /** A ring: `next` is the oldest. */
  readonly tail: string[];
  next: number;
  /** All there were. */
  lines: number;
}

/** What is known of a step. Times are ms since the build began, before its plan was made. */
export interface CollectedStep {
  readonly step: RecordedStep;
  /** `build 2/4` */
  readonly name: string;
  status: StepStatus;
  key: DefinitionKey | undefined;
  by: 'definition' | 'content' | undefined;
  why: string | undefined;
  message: string | undefined;
  start: number | undefined;
  end: number | undefined;
  duration: number;
  made: { readonly files: number; readonly bytes: number; readonly linked: number } | undefined;
  readonly log: Log;
}

/** One platform's build. */
export interface CollectedBuild {
  /** When its plan was there, or what was fetched before that began. */
  readonly since: number;
  readonly steps: ReadonlyMap<StepId, CollectedStep>;
  readonly transfers: Map<string, ReportTransfer>;
  readonly notes: ReportNote[];
  built: Extract<RecordedEvent, { readonly type: 'built' }> | undefined;
  error: RecordedError | undefined;
  /** When the last event came. */
  until: number;
}

/** Grows with the events of one or more platforms. */
export interface Collection {
  readonly add: (event: Timed<RecordedEvent>) => void;
  /** The build goes on until then at least: ms since it began. */
  readonly reach: (at: number) => void;
  readonly builds: readonly CollectedBuild[];
  /** What ended the command before there was a plan. */
  readonly error: () => RecordedError | undefined;
}

function openBuild(steps: readonly RecordedStep[], since: number): CollectedBuild {
  const collect = (step: RecordedStep): CollectedStep => ({
    step,
    name: step.name.replace(/^\[(.*)\]$/, '$1'),
    status: step.kind === 'source' || step.kind === 'meta' ? 'none' : 'unreached',
    key: undefined,
    by: undefined,
    why: undefined,
    message: undefined,
    start: undefined,
    end: undefined,
    duration: 0,
    made: undefined,
    log: { head: [], tail: [], next: 0, lines: 0 },
  });
  return {
    since,
    steps: new Map(steps.map((step) => [step.id, collect(step)])),
    transfers: new Map(),
    notes: [],
    built: undefined,
    error: undefined,
    until: since,
  };
}

function addLine(log: Log, whole: string, most: number): void {
  const text = whole.slice(0, MAX_RAW_LINE);
  log.lines += 1;
  const inHead = Math.floor(most / 4);
  if (log.head.length < inHead) log.head.push(text);
  else if (log.tail.length < most - inHead) log.tail.push(text);
  else {
    log.tail[log.next] = text;
    log.next = (log.next + 1) % log.tail.length;
  }
}

/**
 * The lines in their order; undefined when there are none.
 * @param most so many of the last ones, where that is less than all that is kept
 */
export function shownLog(
  { head, tail, next, lines }: Log,
  most = Number.POSITIVE_INFINITY,
): ShownLog | undefined {
  if (lines === 0) return undefined;
  const ordered = [...tail.slice(next), ...tail.slice(0, next)];
  const isWhole = head.length + tail.length <= most;
  const first = isWhole ? head : [];
  const last = isWhole
    ? ordered
    : [...(ordered.length < most ? head : []), ...ordered].slice(-most);
  return {
    head: first.map(shown),
    leftOut: lines - first.length - last.length,
    tail: last.map(shown),
  };
}

function notesOf(event: RecordedEvent): ReportNote[] {
  if (event.type === 'warning') return [{ kind: 'warning', text: shown(event.message) }];
  if (event.type !== 'lint') return [];
  return event.warnings.map(({ rule, detail, file, line }) => ({
    kind: 'lint',
    rule,
    text: shown(detail),
    place: shown(`${file}:${line}`),
  }));
}

function addTransfer(
  { transfers, since }: CollectedBuild,
  { at, ...event }: Timed<Extract<RecordedEvent, { readonly type: 'transfer' }>>,
): void {
  const { id, what, name, done, durationMs, state } = event;
  const begun = transfers.get(id)?.start ?? at - durationMs - since;
  transfers.set(id, {
    what,
    name: shown(name),
    bytes: done,
    start: Math.max(0, begun),
    end: at - since,
    failed: state === 'failed',
  });
}

type StepEvent = Extract<RecordedEvent, { readonly step: StepId }>;

/** @returns what changes of a step */
function changeOf(build: CollectedBuild, event: Timed<StepEvent>): Partial<CollectedStep> {
  const { at } = event;
  switch (event.type) {
    case 'cached': {
      const { key, by, durationMs } = event;
      return { status: 'cached', key, by, duration: durationMs, start: at, end: at };
    }
    case 'started': {
      const name = (id: StepId) => build.steps.get(id)?.name ?? id;
      const why = event.why && shown(describeExplanation(event.why, name));
      return { status: 'stopped', key: event.key, why, start: at };
    }
    case 'finished': {
      const { durationMs: duration, files, bytes, linked } = event;
      return {
        status: event.cached ? 'cached' : 'ran',
        duration,
        end: at,
        made: { files, bytes, linked },
      };
    }
    case 'failed':
    case 'stopped': {
      const start = build.steps.get(event.step)?.start ?? at;
      const message = event.type === 'failed' ? { message: shown(event.message) } : {};
      return { status: event.type, start, end: at, duration: at - start, ...message };
    }
    default:
      return {};
  }
}

function addToStep(build: CollectedBuild, event: Timed<StepEvent>): void {
  const step = build.steps.get(event.step);
  if (!step) return;
  const part = Math.floor(MAX_LINES / build.steps.size);
  if (event.type === 'output')
    addLine(step.log, event.text, Math.min(MAX_LINES_OF_STEP, Math.max(MIN_LINES, part)));
  else if (event.type === 'cut') step.log.lines += event.lines;
  else Object.assign(step, changeOf(build, event));
}

function addTo(build: CollectedBuild, event: Timed<RecordedEvent>): void {
  if ('step' in event) addToStep(build, event);
  else if (event.type === 'transfer') addTransfer(build, event);
  else if (event.type === 'built') build.built = event;
  else if (event.type === 'error') build.error = event;
  else build.notes.push(...notesOf(event));
  build.until = event.at;
}

/** When what it tells of began. */
function beginning(event: Timed<RecordedEvent>): number {
  return event.type === 'transfer' ? event.at - event.durationMs : event.at;
}

/** A collection of nothing yet. */
export function openCollection(): Collection {
  const builds: CollectedBuild[] = [];
  // A context is fetched before there is a plan.
  const early: Timed<RecordedEvent>[] = [];
  let error: RecordedError | undefined;
  const add: Collection['add'] = (event) => {
    if (event.type === 'error') error = event;
    const build = builds.at(-1);
    if (event.type === 'planned') {
      const next = openBuild(event.steps, Math.min(event.at, ...early.map(beginning)));
      builds.push(next);
      for (const before of early.splice(0)) addTo(next, before);
      next.until = event.at;
    } else if (build) addTo(build, event);
    else early.push(event);
  };
  const reach = (at: number): void => {
    const build = builds.at(-1);
    if (build && at > build.until) build.until = at;
  };
  return { add, reach, builds, error: () => error };
}
