/** What a display knows of a build: the events so far, added up. No time is read and nothing is written here. */
import type { BuildEvent, TransferEvent } from '../engine/events.js';
import type { RecordedEvent, RecordedStep } from '../engine/history/record.js';
import type { StepId } from '../plan/step.js';
import { stepNames } from '../plan/step-names.js';
import type { Explanation } from '../why/explain.js';
import { describeExplanation } from '../why/explain.js';
import { shownLine } from './terminal-text.js';

/** Lines of a step's output that are kept for its window. */
export const KEPT_LINES = 12;

/** What a display needs of a step: those of a build have it, and those that are kept. */
export type ShownStep = Omit<RecordedStep, 'name'>;

/** An event of a build that goes on, or of one that is kept. */
export type ShownEvent =
  | Exclude<RecordedEvent, { type: 'planned' }>
  | Extract<BuildEvent, { type: 'unfinished' }>
  | { readonly type: 'planned'; readonly steps: readonly ShownStep[] };

export type StepStatus = 'waiting' | 'running' | 'cached' | 'done' | 'failed' | 'stopped';

/** A step as it is shown. */
export interface StepView {
  readonly step: ShownStep;
  /** `[build 2/4]` */
  readonly name: string;
  /** The first line of its instruction. */
  readonly text: string;
  status: StepStatus;
  /** When it began to run, ms since the epoch. */
  since: number;
  /** How long it took; of a cached step: when it was run. */
  durationMs: number;
  /** Why the cache had nothing for it; undefined for what is new, and where it was not asked. */
  why: string | undefined;
  /** The cache has nothing like it. */
  isNew: boolean;
  /** The file that was another one, if that is what made it run. */
  changedFile: string | undefined;
  /** Something like it was run before. */
  isAgain: boolean;
  /** Of the files of its layer. */
  bytes: number;
  /** The last lines of its output. */
  readonly lines: string[];
  /** The line that it is writing, as far as it has come; empty: none. */
  unfinished: string;
  /** The process that runs the same step, while this one waits for it. */
  waitsFor: number | undefined;
  /** Another machine that it runs on. */
  worker: string | undefined;
}

/** A build, or what comes before its plan is known. */
export interface BuildView {
  /** All steps of the plan, and what they are called. */
  readonly all: ReadonlyMap<StepId, ShownStep>;
  readonly names: ReadonlyMap<StepId, string>;
  /** Those that make a layer: FROM and what changes only the config are nothing to wait for. */
  readonly steps: ReadonlyMap<StepId, StepView>;
  /** Those that go on. */
  readonly transfers: ReadonlyMap<string, TransferEvent>;
  readonly built: (BuildEvent & { readonly type: 'built' }) | undefined;
}

function isShown({ kind }: ShownStep): boolean {
  return kind !== 'source' && kind !== 'meta';
}

function viewOf(step: ShownStep, name: string): StepView {
  return {
    step,
    name,
    text: shownLine(step.text.split('\n', 1)[0] ?? '', false),
    status: 'waiting',
    since: 0,
    durationMs: 0,
    why: undefined,
    isNew: false,
    changedFile: undefined,
    isAgain: false,
    bytes: 0,
    lines: [],
    unfinished: '',
    waitsFor: undefined,
    worker: undefined,
  };
}

function changedFile(why: Explanation | undefined): string | undefined {
  if (why?.kind !== 'different' || why.difference.kind !== 'file') return undefined;
  return why.difference.change.path;
}

/** A view and what adds an event to it. @param now ms since the epoch */
export function openBuildView(): {
  readonly view: BuildView;
  readonly add: (event: ShownEvent, now: number) => void;
} {
  const steps = new Map<StepId, StepView>();
  const transfers = new Map<string, TransferEvent>();
  const view = {
    all: new Map() as BuildView['all'],
    names: new Map() as BuildView['names'],
    steps,
    transfers,
    built: undefined as BuildView['built'],
  };
  const name = (id: StepId) => view.names.get(id) ?? id;
  const change = (id: StepId, facts: Partial<StepView>): void => {
    const known = steps.get(id);
    if (known) Object.assign(known, facts);
  };
  const add = (event: ShownEvent, now: number) => {
    switch (event.type) {
      case 'planned':
        view.names = stepNames(event.steps);
        view.all = new Map(event.steps.map((step) => [step.id, step]));
        // Builds of several targets have one more of them from time to time.
        for (const step of event.steps.filter(isShown))
          if (!steps.has(step.id)) steps.set(step.id, viewOf(step, name(step.id)));
        return;
      case 'cached':
        return change(event.step, { status: 'cached', durationMs: event.durationMs });
      case 'waiting':
        return change(event.step, { waitsFor: event.pid });
      case 'started': {
        const { step, why } = event;
        return change(step, {
          status: 'running',
          since: now,
          waitsFor: undefined,
          why:
            why && why.kind !== 'new'
              ? shownLine(describeExplanation(why, name), false)
              : undefined,
          isNew: why?.kind === 'new',
          changedFile: changedFile(why),
          isAgain: why?.kind === 'different' || why?.kind === 'layers',
        });
      }
      case 'placed':
        return change(event.step, { worker: shownLine(event.worker, false) });
      case 'output': {
        const shown = steps.get(event.step);
        if (!shown) return;
        shown.unfinished = '';
        shown.lines.push(shownLine(event.text, false));
        if (shown.lines.length > KEPT_LINES) shown.lines.shift();
        return;
      }
      case 'unfinished':
        return change(event.step, { unfinished: shownLine(event.text, false) });
      case 'finished':
        return change(event.step, {
          status: event.cached ? 'cached' : 'done',
          durationMs: event.durationMs,
          bytes: event.bytes,
          unfinished: '',
        });
      case 'failed':
      case 'stopped': {
        const since = steps.get(event.step)?.since || now;
        return change(event.step, { status: event.type, durationMs: now - since });
      }
      case 'transfer':
        if (event.state === 'running') transfers.set(event.id, event);
        else transfers.delete(event.id);
        return;
      case 'built':
        view.built = event;
    }
  };
  return { view, add };
}

/** Numbers of a build. */
export interface Tally {
  readonly all: number;
  readonly running: number;
  readonly cached: number;
  readonly done: number;
  readonly failed: number;
  /** ms that the steps took that were found in the cache. */
  readonly savedMs: number;
}

/** Counts the steps of a build. */
export function tally({ steps }: BuildView): Tally {
  const all = [...steps.values()];
  const count = (wanted: StepStatus) => all.filter(({ status }) => status === wanted).length;
  const cached = all.filter(({ status }) => status === 'cached');
  return {
    all: all.length,
    running: count('running'),
    cached: cached.length,
    done: count('done'),
    failed: count('failed'),
    savedMs: cached.reduce((sum, { durationMs }) => sum + durationMs, 0),
  };
}
