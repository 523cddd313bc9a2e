/** The reports of several targets as one page: each of their builds is one of its builds. Pure. */
import type { ReportData } from './report-data.js';

/** A target's report. */
export interface TargetReport {
  readonly target: string;
  readonly report: ReportData;
}

const unique = (texts: readonly string[]) => [...new Set(texts)].join(', ');

/**
 * @param reports of the targets, at least one; their builds are chosen by the names of targets and platforms
 * @param first the one that failed first, if any did: the others were stopped by it
 */
export function mergeReports(
  reports: readonly [TargetReport, ...TargetReport[]],
  first: string | undefined,
): ReportData {
  const all = reports.map(({ report }) => report);
  const [{ report: any }] = reports;
  const { error, exitCode } = reports.find(({ target }) => target === first)?.report ?? any;
  return {
    version: any.version,
    wiac: any.wiac,
    started: Math.min(...all.map(({ started }) => started)),
    command: any.command,
    context: unique(all.map(({ context }) => context)),
    dockerfile: unique(all.map(({ dockerfile }) => dockerfile)),
    target: unique(reports.map(({ target }) => target)),
    names: [],
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(error ? { error } : {}),
    builds: reports.flatMap(({ target, report: { builds } }) =>
      builds.map((build) => ({ ...build, platform: `${target} (${build.platform})` })),
    ),
    history: [],
  };
}
