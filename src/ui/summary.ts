/** A build as Markdown, for the page that CI systems show of a job ($GITHUB_STEP_SUMMARY). */
import type { BuildEvent, EventSink } from '../engine/events.js';
import type { Step, StepId } from '../plan/step.js';
import { stepNames } from '../plan/step-names.js';
import { plural } from '../util/plural.js';
import { describeExplanation } from '../why/explain.js';
import { formatBytes, formatDuration } from './format.js';

/** Rows of the table of steps; a Dockerfile with more has its slowest ones in a table of their own. */
const MAX_ROWS = 100;
const SLOWEST = 5;
const MAX_TEXT = 100;
const MAX_WHY = 300;

type Ended = 'hit' | 'run' | 'failed' | 'stopped';

interface Row {
  readonly step: StepId;
  ended: Ended;
  durationMs: number | undefined;
  why: string;
}

/** Grows with the events of one or more platforms. */
export interface Summary {
  readonly emit: EventSink;
  /** Empty when nothing was planned. */
  readonly markdown: () => string;
}

/** Text that is no markup, whatever it has in it: references to characters are never any. */
function escaped(text: string, most: number): string {
  const line = text.replace(/\s+/g, ' ').trim();
  const short = line.length <= most ? line : `${line.slice(0, most)}…`;
  const entity = (character: string) => `&#${character.codePointAt(0)};`;
  return short.replace(/\p{Cc}/gu, '').replace(/[^\p{L}\p{N}\s,/…]/gu, entity);
}

const WORDS: Readonly<Record<Ended, string>> = {
  hit: 'cached',
  run: 'run',
  failed: '**failed**',
  stopped: 'stopped',
};

interface Build {
  readonly steps: ReadonlyMap<StepId, Step>;
  readonly names: ReadonlyMap<StepId, string>;
  readonly rows: Map<StepId, Row>;
  built: (BuildEvent & { readonly type: 'built' }) | undefined;
}

function table(build: Build, rows: readonly Row[]): string[] {
  const cells = rows.map(({ step, ended, durationMs, why }) => {
    const time = durationMs === undefined ? '' : formatDuration(durationMs);
    const text = escaped(build.steps.get(step)?.text ?? '', MAX_TEXT);
    const name = escaped(build.names.get(step) ?? step, MAX_TEXT);
    return `| ${name} | <code>${text}</code> | ${WORDS[ended]} | ${time} | ${escaped(why, MAX_WHY)} |`;
  });
  return [
    '| step | instruction | | time | why it ran |',
    '| --- | --- | --- | ---: | --- |',
    ...cells,
  ];
}

function describeBuild(build: Build, title: string): string[] {
  const rows = [...build.rows.values()];
  const hits = rows.filter(({ ended }) => ended === 'hit');
  const ran = rows.filter(({ ended }) => ended !== 'hit');
  const saved = hits.reduce((sum, { durationMs = 0 }) => sum + durationMs, 0);
  const { built } = build;
  const facts = [
    `${hits.length} of ${plural(rows.length, 'step')} from the cache`,
    `${formatDuration(saved)} saved`,
    ...(built ? [`built in ${formatDuration(built.durationMs)}`] : ['**not built**']),
    ...(built?.bytes === undefined ? [] : [`result ${formatBytes(built.bytes)}`]),
  ];
  const slowest = ran
    .filter(({ durationMs }) => durationMs !== undefined)
    .sort((a, b) => (b.durationMs ?? 0) - (a.durationMs ?? 0))
    .slice(0, SLOWEST);
  // What ran, and why, is worth more than what was found.
  const shown = rows.length <= MAX_ROWS ? rows : [...ran, ...hits].slice(0, MAX_ROWS);
  const left = rows.length - shown.length;
  return [
    `### ${escaped(title, MAX_TEXT)}`,
    '',
    `${facts.join(', ')}.`,
    '',
    ...(slowest.length < 2 || rows.length <= SLOWEST
      ? []
      : ['Slowest steps:', '', ...table(build, slowest), '']),
    `<details><summary>All steps</summary>`,
    '',
    ...table(build, shown),
    ...(left === 0 ? [] : ['', `and ${left} more.`]),
    '',
    '</details>',
    '',
  ];
}

/** A summary of nothing yet. @param title of each build */
export function openSummary(title = 'wiac build'): Summary {
  const builds: Build[] = [];
  const change = (step: StepId, facts: Partial<Row>): void => {
    const rows = builds.at(-1)?.rows;
    const row = rows?.get(step) ?? { step, ended: 'run', durationMs: undefined, why: '' };
    rows?.set(step, { ...row, ...facts });
  };
  const emit: EventSink = (event) => {
    const current = builds.at(-1);
    const name = (id: StepId) => current?.names.get(id) ?? id;
    switch (event.type) {
      case 'planned':
        builds.push({
          steps: new Map(event.steps.map((step) => [step.id, step])),
          names: stepNames(event.steps),
          rows: new Map(),
          built: undefined,
        });
        return;
      case 'cached':
        return change(event.step, { ended: 'hit', durationMs: event.durationMs });
      case 'started':
        return change(event.step, {
          ended: 'run',
          why: event.why ? describeExplanation(event.why, name) : '',
        });
      case 'finished':
        return change(event.step, {
          durationMs: event.durationMs,
          ...(event.cached ? { ended: 'hit' } : {}),
        });
      case 'failed':
      case 'stopped':
        return change(event.step, { ended: event.type });
      case 'built':
        if (current) current.built = event;
    }
  };
  return {
    emit,
    markdown: () => builds.flatMap((build) => describeBuild(build, title)).join('\n'),
  };
}
