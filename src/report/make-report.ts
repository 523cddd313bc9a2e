/** Collected events to what a page shows of a build. Pure. */
import type { BuildLayers } from '../engine/contents/build-layers.js';
import type { BuildHeader, BuildSummary, RecordedError } from '../engine/history/record.js';
import type { StepId } from '../plan/step.js';
import type { CollectedBuild, CollectedStep, Collection } from './collect-events.js';
import { shown, shownLog } from './collect-events.js';
import type { Timing } from './critical-path.js';
import { findCriticalPath } from './critical-path.js';
import { describeOperands } from './describe-operands.js';
import type { PastBuild, ReportBuild, ReportData, ReportError, ReportStep } from './report-data.js';
import { REPORT_VERSION } from './report-data.js';
import { reportLayers, shownEntries } from './report-layers.js';

/** Takes secrets out of a value; its name may say that it is one. */
export type Redact = (name: string, value: string) => string;

/** A value is for reading: a script of megabytes is cut. */
const MAX_VALUE = 4000;
/** Paths that a COPY took. */
const MAX_SELECTED = 50;

/** Lines of a step that goes on: its report is made again and again. */
const LINES_OF_RUNNING = 200;

const cut = (text: string) => (text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE)}…` : text);

/** Several lines, each harmless. */
const lines = (text: string) => cut(text).split('\n').map(shown).join('\n');

function inputsOf(
  { step }: CollectedStep,
  layers: BuildLayers | undefined,
  redact: Redact,
): ReportStep['inputs'] {
  const inputs = layers?.inputs.get(step.id);
  const selected = (inputs?.files ?? [])
    .slice(0, MAX_SELECTED)
    .map(({ path, tree }) => [`content of ${path === '' ? '.' : path}`, tree] as const);
  return [
    ...describeOperands(inputs?.operands ?? {}),
    ['platform', step.platform] as const,
    ...selected,
  ].map(([name, value]) => [lines(name), lines(redact(name, value))] as const);
}

/** A step as it is when the report is made: of a build that goes on, steps go on. */
function now(
  { until }: CollectedBuild,
  { status, start, end, duration }: CollectedStep,
  isRunning: boolean,
): Pick<CollectedStep, 'status' | 'end' | 'duration'> {
  if (!isRunning || status !== 'stopped' || end !== undefined || start === undefined)
    return { status, end, duration };
  return { status: 'running', end: until, duration: until - start };
}

function reportStep(
  build: CollectedBuild,
  collected: CollectedStep,
  timing: Timing & { readonly isRunning: boolean },
  layers: BuildLayers | undefined,
  redact: Redact,
): ReportStep {
  const { step, name, key, by, why, message, start, made } = collected;
  const { status, end, duration } = now(build, collected, timing.isRunning);
  const log = shownLog(collected.log, status === 'running' ? LINES_OF_RUNNING : undefined);
  const layer = layers?.made.get(step.id);
  const contents = layer === undefined ? undefined : layers?.contents.get(layer);
  // Nobody knows yet what will have mattered.
  const slack = timing.isRunning ? undefined : timing.slack.get(step.id);
  const facts = made ?? (contents && countOf(contents));
  const defined = <T>(name: string, value: T | undefined) =>
    value === undefined ? {} : { [name]: value };
  return {
    id: step.id,
    name: shown(name),
    stage: shown(step.stage),
    kind: step.kind,
    text: lines(step.text),
    file: shown(step.location.file),
    line: step.location.line,
    endLine: step.location.endLine,
    ...defined('parent', step.parent),
    reads: step.reads,
    status,
    ...defined('key', key),
    ...defined('by', by),
    ...defined('why', why),
    ...defined('message', message),
    ...defined('start', start === undefined ? undefined : start - build.since),
    ...defined('end', end === undefined ? undefined : end - build.since),
    duration,
    ...defined('slack', slack),
    ...facts,
    inputs: inputsOf(collected, layers, redact),
    ...defined('log', log),
    ...defined('entries', contents && shownEntries(contents, build.steps.size)),
  };
}

function countOf({ entries }: { readonly entries: readonly { readonly size: number }[] }) {
  return {
    files: entries.length,
    bytes: entries.reduce((total, { size }) => total + size, 0),
  };
}

function timingOf({ steps, since, until }: CollectedBuild): Timing {
  return findCriticalPath(
    [...steps.values()].map(({ step, status, start, end }) => ({
      id: step.id,
      needs: [...(step.parent === undefined ? [] : [step.parent]), ...step.reads],
      ran:
        start === undefined || status === 'cached'
          ? undefined
          : { start: start - since, end: (end ?? until) - since },
    })),
  );
}

function reportBuild(
  build: CollectedBuild,
  layers: BuildLayers | undefined,
  { redact, state }: Pick<ReportParts, 'redact' | 'state'>,
): ReportBuild {
  const { slack, ...path } = timingOf(build);
  const timing = { ...path, slack, isRunning: state === 'running' };
  const all = [...build.steps.values()];
  const cached = all.filter(({ status }) => status === 'cached');
  const { built } = build;
  const title = (id: StepId) => {
    const collected = build.steps.get(id);
    return collected ? shown(collected.step.text.split('\n', 1)[0] ?? '') : id;
  };
  const shownLayers = layers && reportLayers(layers, title);
  return {
    platform: all.at(-1)?.step.platform ?? '',
    steps: all.map((step) => reportStep(build, step, timing, layers, redact)),
    duration: built?.durationMs ?? build.until - build.since,
    ran: all.filter(({ status }) => status === 'ran' || status === 'failed').length,
    cached: cached.length,
    saved: cached.reduce((sum, { duration }) => sum + duration, 0),
    ...(built?.bytes === undefined ? {} : { bytes: built.bytes }),
    path,
    transfers: [...build.transfers.values()],
    notes: build.notes,
    ...(shownLayers ? { layers: shownLayers } : {}),
    ...(layers && layers.result.length > 0 && !shownLayers ? { layersGone: true } : {}),
  };
}

function shownError({ code, message, hint, location }: RecordedError): ReportError {
  return {
    code,
    message: lines(message),
    ...(hint === undefined ? {} : { hint: lines(hint) }),
    ...(location === undefined ? {} : { place: shown(`${location.file}:${location.line}`) }),
  };
}

/** What a report is made of, besides events. */
export interface ReportParts {
  readonly header: Pick<
    BuildHeader,
    'wiac' | 'started' | 'command' | 'context' | 'dockerfile' | 'target'
  >;
  /** Of a build that has no end: why. */
  readonly state?: ReportData['state'];
  readonly exitCode?: number | undefined;
  /** Names that the result got. */
  readonly names: readonly string[];
  /** Of each platform, as far as they are known. */
  readonly layers: readonly BuildLayers[];
  /** Former builds of the same, the newest first. */
  readonly past: readonly BuildSummary[];
  readonly redact: Redact;
}

function toPastBuild({ header, status, totals, durationMs }: BuildSummary): PastBuild {
  return {
    started: header.started,
    duration: durationMs,
    ran: totals.executed,
    cached: totals.cached,
    saved: totals.savedMs,
    failed: status !== 'ok',
  };
}

/** What the page shows of a build whose events were collected. */
export function makeReport(
  { builds, error }: Collection,
  { header, state, exitCode, names, layers, past, redact }: ReportParts,
): ReportData {
  const { wiac, started, command, context, dockerfile, target } = header;
  const problem = error();
  return {
    version: REPORT_VERSION,
    wiac,
    started,
    command: lines(`wiac ${command.join(' ')}`),
    context: shown(context),
    dockerfile: shown(dockerfile),
    ...(target === undefined ? {} : { target: shown(target) }),
    names: names.map(shown),
    ...(state === undefined ? {} : { state }),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(problem ? { error: shownError(problem) } : {}),
    builds: builds.map((build, index) =>
      reportBuild(build, layers[index], { redact, ...(state && { state }) }),
    ),
    history: past.map(toPastBuild).reverse(),
  };
}
