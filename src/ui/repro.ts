/** What `wiac repro` prints: for people, and for programs. */
import type { StepId } from '../plan/step.js';
import type { Finding } from '../repro/layer-finding.js';
import type { RepeatedStep, ReproReport } from '../repro/repro-report.js';
import { REPRO_VERSION } from '../repro/repro-report.js';
import { plural } from '../util/plural.js';
import { printable } from '../util/printable.js';

/** A report with the names of its steps. */
export interface NamedReport {
  readonly report: ReproReport;
  readonly names: ReadonlyMap<StepId, string>;
}

/** So many paths that have one cause are printed. */
const SHOWN = 5;

function describeFinding({ path, aspects, offset, first, second, cause }: Finding): string[] {
  const where = offset === undefined ? '' : ` at byte ${offset}`;
  const why = cause === 'unknown' ? 'cause unknown' : cause;
  return [
    `    ${path}: ${[...new Set([`${aspects.join(', ')}${where}`, why])].join('; ')}`,
    `        first:  ${first}`,
    `        second: ${second}`,
  ];
}

/** Findings that have one hint are printed together, and the hint once. */
export function describeFindings(findings: readonly Finding[]): string[] {
  const groups = new Map<string, Finding[]>();
  for (const finding of findings) {
    const group = groups.get(finding.hint);
    if (group) group.push(finding);
    else groups.set(finding.hint, [finding]);
  }
  return [...groups].flatMap(([hint, group]) => {
    const more = group.length - SHOWN;
    return [
      ...group.slice(0, SHOWN).flatMap(describeFinding),
      ...(more > 0 ? [`    and ${more} more like these (--json has all of them)`] : []),
      `        hint:   ${hint}`,
    ];
  });
}

function describeStep(
  { step, text, outcome, message, findings, differences }: RepeatedStep,
  name: (id: StepId) => string,
): string[] {
  if (outcome === 'same') return [];
  const head = `${name(step)} ${printable(text.split('\n')[0] ?? '')}`;
  if (outcome === 'failed')
    return [
      head,
      ...(message ?? '').split('\n').map((line) => `    second run: ${printable(line)}`),
    ];
  const hidden = differences - findings.length;
  return [
    head,
    ...describeFindings(findings),
    ...(hidden > 0 ? [`    and ${plural(hidden, 'other path')}`] : []),
  ];
}

function describeReport({ report, names }: NamedReport, several: boolean): string[] {
  const { platform, steps, first, varied, notVaried } = report;
  const head = several ? [`${platform}:`] : [];
  if (steps.length === 0) return [...head, 'nothing to compare: the result needs no RUN step'];
  const name = (id: StepId) => names.get(id) ?? id;
  const runs = plural(steps.length, 'RUN step');
  const other = steps.filter(({ outcome }) => outcome !== 'same').length;
  const place = steps.find(({ step }) => step === first)?.location;
  const times = steps.some((step) => step.times > 0);
  const sum =
    first === undefined
      ? `reproducible: ${runs} made the same files twice`
      : `not reproducible: ${other} of ${runs}; the first one is ${name(first)}${place ? ` (${place.file}:${place.line})` : ''}`;
  return [
    ...head,
    ...steps.flatMap((step) => describeStep(step, name)),
    `${sum}; other in the second run: ${varied.join(', ')}`,
    ...notVaried.map(({ what, why }) => `the same in both runs: ${what} (${why})`),
    ...(times
      ? [
          'the times at which files were written do not count: --source-date-epoch and --rewrite-timestamp',
          'of wiac build make them the same in images',
        ]
      : []),
  ];
}

/** For people. */
export function reproText(reports: readonly NamedReport[]): string {
  const several = reports.length > 1;
  return `${reports.flatMap((each) => describeReport(each, several)).join('\n')}\n`;
}

/** For programs: docs/reproducible.md has the members. */
export function reproJson(reports: readonly NamedReport[]): string {
  const platforms = reports.map(({ report, names }) => {
    const { platform, varied, notVaried, steps, first } = report;
    const nameOf = (id: StepId) => names.get(id) ?? id;
    return {
      platform,
      varied,
      notVaried,
      first: first === undefined ? null : { step: first, name: nameOf(first) },
      steps: steps.map(({ step, text, ...rest }) => {
        return { step, name: nameOf(step), instruction: text, ...rest };
      }),
    };
  });
  const reproducible = platforms.every(({ first }) => first === null);
  return `${JSON.stringify({ version: REPRO_VERSION, reproducible, platforms }, null, 2)}\n`;
}
