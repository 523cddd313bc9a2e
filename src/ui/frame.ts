/** One frame of a build on a terminal, as a function of what is known, the terminal's size and the time. */
import type { TransferEvent } from '../engine/events.js';
import { plural } from '../util/plural.js';
import type { BuildView, StepView } from './build-view.js';
import { tally } from './build-view.js';
import { WORTH_MS } from './conclusion.js';
import { formatDuration, formatTransfer } from './format.js';
import type { Span, StyledLine } from './styled.js';
import { cutLine, paint, span } from './styled.js';

/** What a frame is drawn for. */
export interface FrameSize {
  readonly columns: number;
  readonly rows: number;
  /** ms since the epoch. */
  readonly now: number;
  readonly colour: boolean;
}

/** How much is shown; what does not fit is tried with less. */
interface Detail {
  /** Lines of output below each step that runs or failed. */
  readonly window: number;
  readonly why: boolean;
  /** What is one line: each step, neighbours that do not run, all of a stage that do not run. */
  readonly fold: 'nothing' | 'neighbours' | 'stages';
}

const DETAILS: readonly Detail[] = [
  { window: 6, why: true, fold: 'nothing' },
  { window: 4, why: true, fold: 'nothing' },
  { window: 6, why: true, fold: 'neighbours' },
  { window: 3, why: true, fold: 'neighbours' },
  { window: 1, why: true, fold: 'neighbours' },
  { window: 1, why: true, fold: 'stages' },
  { window: 0, why: true, fold: 'stages' },
  { window: 0, why: false, fold: 'stages' },
];

/** More transfers than that are shown as one for each purpose. */
const SHOWN_TRANSFERS = 4;
/** Columns of a state or a time. */
const STATE_COLUMNS = 7;
const MAX_NAME_COLUMNS = 20;

const IDLE_STATUSES = ['cached', 'done', 'waiting', 'stopped'] as const;

function isActive({ status }: StepView): boolean {
  return status === 'running' || status === 'failed';
}

function header(view: BuildView): StyledLine {
  const { all, running, cached, done, failed, savedMs } = tally(view);
  const facts = [
    span(`${cached + done}/${all} steps`, 'bold'),
    ...(failed > 0 ? [span(`${failed} failed`, 'red')] : []),
    ...(running > 0 ? [span(`${running} running`, 'blue')] : []),
    ...(cached > 0 ? [span(`${cached} cached`, 'green')] : []),
    ...(savedMs >= WORTH_MS ? [span(`saved ${formatDuration(savedMs)}`, 'green')] : []),
  ];
  return facts.flatMap((fact, at) => (at === 0 ? [fact] : [span(', '), fact]));
}

function stateOf({ status, since, durationMs }: StepView, now: number): Span {
  switch (status) {
    case 'running':
      return span(formatDuration(now - since), 'blue');
    case 'done':
      return span(formatDuration(durationMs));
    case 'cached':
      return span(status, 'green');
    case 'failed':
      return span(status, 'red');
    default:
      return span(status, 'dim');
  }
}

/** The line of a step. @param columns of its name */
function stepLine(shown: StepView, columns: number, now: number): StyledLine {
  const state = stateOf(shown, now);
  const mark = { running: '> ', failed: 'x ' }[shown.status as string] ?? '  ';
  return [
    span(mark, state.style),
    span(shown.name.padEnd(columns), 'dim'),
    { ...state, text: ` ${state.text.padStart(STATE_COLUMNS)} ` },
    span(shown.text, isActive(shown) ? 'bold' : 'plain'),
    // A reason of its own line would be the same for all steps of a first build.
    ...(shown.isNew ? [span('  (new)', 'dim')] : []),
    ...(shown.worker === undefined ? [] : [span(`  on ${shown.worker}`, 'dim')]),
  ];
}

/** Why it runs, or what it waits for. */
function whyLines({ status, why, waitsFor }: StepView): StyledLine[] {
  if (waitsFor !== undefined && status === 'waiting')
    return [[span(`    waits for process ${waitsFor}, which runs the same step`, 'yellow')]];
  if (why === undefined || status === 'waiting' || status === 'cached') return [];
  return [[span(`    miss: ${why}`, 'yellow')]];
}

function stepLines(
  shown: StepView,
  { window, why }: Pick<Detail, 'window' | 'why'>,
  columns: number,
  now: number,
): StyledLine[] {
  const written = shown.unfinished === '' ? shown.lines : [...shown.lines, shown.unfinished];
  const open = isActive(shown) && window > 0 ? written.slice(-window) : [];
  const reasons = why && (isActive(shown) || shown.waitsFor) ? whyLines(shown) : [];
  return [
    stepLine(shown, columns, now),
    ...reasons,
    ...open.map((line) => [span('  | ', 'dim'), span(line)]),
  ];
}

/** Steps that do not run, in one line: `[build] 8 cached, 2 done`. */
function foldedLine(steps: readonly StepView[]): StyledLine {
  const parts = IDLE_STATUSES.flatMap((wanted) => {
    const count = steps.filter(({ status }) => status === wanted).length;
    return count === 0 ? [] : [`${count} ${wanted}`];
  });
  return [span(`  [${steps[0]?.step.stage}] `, 'dim'), span(parts.join(', '), 'dim')];
}

/** Steps by stage, those of a stage that others need above it. */
function byStage(view: BuildView): StepView[][] {
  const stages = new Map<string, StepView[]>();
  for (const shown of view.steps.values()) {
    const { stage } = shown.step;
    const steps = stages.get(stage) ?? [];
    steps.push(shown);
    // The place of its last step is the stage's.
    stages.delete(stage);
    stages.set(stage, steps);
  }
  return [...stages.values()];
}

/** Lists of steps that `isAlone` keeps apart from their neighbours. */
function runsOf(steps: readonly StepView[], isAlone: (step: StepView) => boolean): StepView[][] {
  const runs: StepView[][] = [];
  let current: StepView[] | undefined;
  for (const shown of steps) {
    if (isAlone(shown)) {
      runs.push([shown]);
      current = undefined;
    } else if (current) current.push(shown);
    else {
      current = [shown];
      runs.push(current);
    }
  }
  return runs;
}

/** What is shown as one each: a step, or several that are folded. */
function groups(steps: readonly StepView[], fold: Detail['fold']): StepView[][] {
  if (fold === 'nothing') return steps.map((shown) => [shown]);
  if (fold === 'neighbours') return runsOf(steps, isActive);
  const idle = steps.filter((shown) => !isActive(shown));
  const active = steps.filter(isActive).map((shown) => [shown]);
  return idle.length === 0 ? active : [...active, idle];
}

const DIGEST = /^sha256:([0-9a-f]{12})[0-9a-f]*$/;

function transferLine({ what, name, done, total, durationMs }: TransferEvent): StyledLine {
  const amount = formatTransfer(done, total, durationMs);
  return [
    span('> ', 'blue'),
    span(`${what} `, 'bold'),
    span(amount, 'blue'),
    span(`  ${name.replace(DIGEST, '$1')}`, 'dim'),
  ];
}

/** Many transfers as one for each purpose. */
function summedTransfers(transfers: readonly TransferEvent[]): TransferEvent[] {
  const kinds = [...new Set(transfers.map(({ what }) => what))];
  return kinds.flatMap((what) => {
    const same = transfers.filter((transfer) => transfer.what === what);
    const [first] = same;
    if (!first) return [];
    const { total: _, ...rest } = first;
    const known = same.every(({ total }) => total !== undefined);
    const total = same.reduce((sum, transfer) => sum + (transfer.total ?? 0), 0);
    return {
      ...rest,
      name: `${same.length} at once`,
      done: same.reduce((sum, transfer) => sum + transfer.done, 0),
      durationMs: Math.max(...same.map(({ durationMs }) => durationMs)),
      ...(known ? { total } : {}),
    };
  });
}

function transferLines(view: BuildView): StyledLine[] {
  const all = [...view.transfers.values()];
  return (all.length > SHOWN_TRANSFERS ? summedTransfers(all) : all).map(transferLine);
}

function nameColumns(view: BuildView): number {
  const widths = [...view.steps.values()].map(({ name }) => name.length);
  return Math.min(MAX_NAME_COLUMNS, Math.max(0, ...widths));
}

function bodyLines(view: BuildView, detail: Detail, now: number): StyledLine[] {
  const columns = nameColumns(view);
  return byStage(view)
    .flatMap((steps) => groups(steps, detail.fold))
    .flatMap((group) => {
      const [only] = group;
      if (only && group.length === 1) return stepLines(only, detail, columns, now);
      return [foldedLine(group)];
    });
}

/** The beginning of lines that are too many, and how many are left out. */
function fitted(lines: readonly StyledLine[], rows: number): readonly StyledLine[] {
  if (lines.length <= rows) return lines;
  const kept = lines.slice(0, Math.max(0, rows - 1));
  return rows < 1
    ? []
    : [...kept, [span(`  … ${plural(lines.length - kept.length, 'more line')}`, 'dim')]];
}

/**
 * The lines of a frame, one row each; never more than the terminal has, less the one that the cursor is in.
 * The last column stays free: to erase to the end of the line would take what is in it.
 * Nothing before the plan is known, unless something is fetched.
 */
export function renderFrame(view: BuildView, { columns, rows, now, colour }: FrameSize): string[] {
  const room = Math.max(1, rows - 1);
  const top = view.steps.size > 0 ? [header(view)] : [];
  const transfers = transferLines(view);
  const space = room - top.length - transfers.length;
  let body: readonly StyledLine[] = [];
  for (const detail of DETAILS) {
    body = bodyLines(view, detail, now);
    if (body.length <= space) break;
  }
  // What runs is what one wants to see.
  if (body.length > space)
    body = bodyLines(
      { ...view, steps: new Map([...view.steps].filter(([, shown]) => isActive(shown))) },
      { window: 0, why: false, fold: 'nothing' },
      now,
    );
  // What comes and goes most stands last, and moves nothing.
  const lines = fitted([...top, ...fitted(body, space), ...transfers], room);
  return lines.map((line) => paint(cutLine(line, columns - 1), colour));
}

/**
 * What stays on the screen when a build has ended: each step that ran, and why; those that were found in the
 * cache, and follow each other, as one.
 */
export function renderRecord(view: BuildView, size: Omit<FrameSize, 'rows'>): string[] {
  const { columns, now, colour } = size;
  const names = nameColumns(view);
  const lines = byStage(view)
    .flatMap((steps) =>
      runsOf(
        steps.filter(({ status }) => status !== 'waiting'),
        ({ status }) => status !== 'cached',
      ),
    )
    .flatMap((group) => {
      const [only] = group;
      if (!only || group.length > 1) return [foldedLine(group)];
      return [stepLine(only, names, now), ...whyLines(only)];
    });
  return lines.map((line) => paint(cutLine(line, columns - 1), colour));
}
