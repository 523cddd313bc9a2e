/** Everybody who is told of a build: the display, the record, the page, the summary of a CI job. */
import type { DockerfileBuild, DockerfileResult } from '../engine/build-dockerfile.js';
import type { EventSink } from '../engine/events.js';
import type { Store } from '../store/store.js';
import type { LogLevel, WarningLog } from '../ui/log.js';
import { showsWarnings } from '../ui/log.js';
import type { Progress } from '../ui/progress.js';
import type { BuildOptions } from './build-command.js';
import type { BuildReport } from './build-report.js';
import { keepBuild } from './keep-build.js';

/** Shows the events of one platform after the other. */
function showEvents(open: () => Progress, logLevel: LogLevel): Progress {
  let shown: Progress | undefined;
  const emit: EventSink = (event) => {
    if (event.type === 'planned') {
      shown?.close();
      shown = undefined;
    }
    if (event.type === 'warning' && !showsWarnings(logLevel)) return;
    shown ??= open();
    shown.emit(event);
  };
  return {
    emit,
    close: () => shown?.close(),
    pause: () => shown?.pause(),
    resume: () => shown?.resume(),
  };
}

/** The events, and what becomes of them on the page of a job of GitHub Actions. */
async function openStepSummary({ progress }: BuildOptions, env: NodeJS.ProcessEnv) {
  const { GITHUB_STEP_SUMMARY: path } = env;
  if (progress !== 'github' || !path) return undefined;
  const [{ openSummary }, { appendSummary }] = await Promise.all([
    import('../ui/summary.js'),
    import('./step-summary.js'),
  ]);
  const { emit, markdown } = openSummary();
  return { emit, write: () => appendSummary(path, markdown()) };
}

/** What listeners need that has to be loaded first. */
export interface ListenerServices {
  readonly summary: Awaited<ReturnType<typeof openStepSummary>>;
  /** Opens the page of a build; undefined when nobody wants one. */
  readonly openReport:
    | ((store: Store, request: DockerfileBuild, tags: readonly string[]) => BuildReport)
    | undefined;
  readonly warn: WarningLog;
}

/** The page that --report asks for. @throws UsageError for a file that can't be written */
async function reportOpener(file: string | undefined): Promise<ListenerServices['openReport']> {
  if (file === undefined) return undefined;
  const { openReport, requireReportFile, writeReport } = await import('./build-report.js');
  requireReportFile(file);
  return (store, request, tags) =>
    openReport(store, request, tags, (report) => writeReport(file, report));
}

/** Loads what the options ask for. @throws UsageError */
export async function listenerServices(
  options: BuildOptions,
  env: NodeJS.ProcessEnv,
  warn: WarningLog,
): Promise<ListenerServices> {
  return {
    summary: await openStepSummary(options, env),
    openReport: await reportOpener(options.report),
    warn,
  };
}

/** Those who listen to one build. */
export interface BuildListeners {
  readonly emit: EventSink;
  /** In the place of that of the request: what a step is given is kept out of records and pages. */
  readonly secret: DockerfileBuild['secret'];
  /** Does somebody want to know why steps run? */
  readonly explain: boolean;
  readonly progress: Progress;
  /** @throws UsageError when the page can't be written */
  readonly end: (result: DockerfileResult, images: readonly string[]) => Promise<void>;
  readonly fail: (error: unknown) => Promise<void>;
  /** Ends the display. Once more does nothing. */
  readonly close: () => void;
}

/** @param open opens the display */
export function openListeners(
  store: Store,
  request: DockerfileBuild,
  {
    logLevel,
    quiet,
    progress: mode,
    tag,
  }: Pick<BuildOptions, 'logLevel' | 'quiet' | 'progress' | 'tag'>,
  open: () => Progress,
  { summary, openReport, warn }: ListenerServices,
): BuildListeners {
  const progress = showEvents(open, logLevel);
  // It has the builds before it: the record of this one comes later.
  const report = openReport?.(store, request, tag);
  const record = keepBuild(store, request);
  const { secret: given } = request;
  let isClosed = false;
  return {
    progress,
    explain: record.isKept || report !== undefined || !(quiet || ['quiet', 'none'].includes(mode)),
    secret:
      given &&
      (async (id, signal) => {
        const value = await given(id, signal);
        const text = value?.toString('utf8') ?? '';
        record.hide(text);
        report?.hide(text);
        return value;
      }),
    emit(event) {
      summary?.emit(event);
      record.emit(event);
      report?.emit(event);
      progress.emit(event);
    },
    async end(result, images) {
      const lowerdirs = result.platforms.map(({ result: built }) => built.lowerdirs);
      record.end({ lowerdirs, images });
      await report?.end(result, images);
    },
    async fail(error) {
      record.fail(error);
      await report?.fail(error).catch((problem: Error) => warn(problem.message));
    },
    close() {
      if (isClosed) return;
      isClosed = true;
      progress.close();
      const problem = summary?.write();
      if (problem !== undefined) warn(problem);
    },
  };
}
