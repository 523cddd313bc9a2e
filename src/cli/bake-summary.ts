/** What is told of all targets together: the page of --report, and the summary of a job of GitHub Actions. */
import type { DockerfileBuild } from '../engine/build-dockerfile.js';
import type { EventSink } from '../engine/events.js';
import { mergeReports, type TargetReport } from '../report/merge-reports.js';
import type { Store } from '../store/store.js';
import type { Summary } from '../ui/summary.js';
import { openSummary } from '../ui/summary.js';
import type { BuildReport } from './build-report.js';
import { openReport, writeReport } from './build-report.js';
import { appendSummary } from './step-summary.js';

/** Grows with the events of all targets. */
export interface BakeSummary {
  /** Undefined: nobody wants a page. */
  readonly openReport:
    | ((
        target: string,
      ) => (store: Store, request: DockerfileBuild, tags: readonly string[]) => BuildReport)
    | undefined;
  /** Told of the events of a target, for the summary. */
  readonly sinkOf: (target: string) => EventSink | undefined;
  /** Writes both. @throws UsageError for a page that can't be written */
  readonly write: () => Promise<void>;
}

/** Reports that are kept until all are there. */
function openReports(file: string) {
  const reports = new Map<string, TargetReport>();
  let firstFailed: string | undefined;
  const open =
    (target: string) =>
    (store: Store, request: DockerfileBuild, tags: readonly string[]): BuildReport => {
      const report = openReport(store, request, tags, async (made) => {
        reports.set(target, { target, report: made });
      });
      const fail: BuildReport['fail'] = (error) => {
        firstFailed ??= target;
        return report.fail(error);
      };
      return { ...report, fail };
    };
  const write = async (targets: readonly string[]): Promise<void> => {
    const [first, ...others] = targets.flatMap((target) => reports.get(target) ?? []);
    if (first) await writeReport(file, mergeReports([first, ...others], firstFailed));
  };
  return { open, write };
}

/**
 * @param targets in the order in which they are shown
 * @param report the file of --report
 * @param path of $GITHUB_STEP_SUMMARY, if this is a job of GitHub Actions
 */
export function openBakeSummary(
  targets: readonly string[],
  report: string | undefined,
  path: string | undefined,
  warn: (message: string) => void,
): BakeSummary {
  const reports = report === undefined ? undefined : openReports(report);
  const summaries = new Map<string, Summary>(
    path === undefined ? [] : targets.map((name) => [name, openSummary(`wiac bake ${name}`)]),
  );
  let isWritten = false;
  return {
    openReport: reports?.open,
    sinkOf: (target) => summaries.get(target)?.emit,
    async write() {
      if (isWritten) return;
      isWritten = true;
      const text = [...summaries.values()].map(({ markdown }) => markdown()).filter(Boolean);
      const problem = path === undefined ? undefined : appendSummary(path, text.join('\n'));
      if (problem !== undefined) warn(problem);
      await reports?.write(targets);
    },
  };
}
