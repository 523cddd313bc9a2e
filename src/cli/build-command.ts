/** `wiac build` */
import type { DockerfileBuild, DockerfileResult } from '../engine/build-dockerfile.js';
import { buildDockerfile } from '../engine/build-dockerfile.js';
import type { EventSink } from '../engine/events.js';
import type { Isolation } from '../executor/local/container.js';
import { ensurePrivileges } from '../executor/local/privileges.js';
import { isImageName } from '../store/images/store-images.js';
import { storeRoot } from '../store/paths.js';
import type { Store } from '../store/store.js';
import { closeStore } from '../store/store.js';
import type { LogFormat, LogLevel, WarningLog } from '../ui/log.js';
import { openLog, showsWarnings } from '../ui/log.js';
import type { Progress, ProgressMode } from '../ui/progress.js';
import { githubSettings, progressOpener } from '../ui/progress.js';
import { UsageError } from '../util/errors.js';
import { abortOnSignal } from './abort-on-signal.js';
import type { OutputOptions } from './build-outputs.js';
import type { BuildReport } from './build-report.js';
import { combineOptions } from './combine-options.js';
import { readHistoryBounds, readPolicy, readTrustKeys } from './config-file.js';
import type { LimitOptions } from './container-limits.js';
import { parseLimits } from './container-limits.js';
import type { SetExitCode } from './declare/options.js';
import type { DockerfileOptions } from './dockerfile-input.js';
import { dockerfileRequest, parseLockMode, wantedPlatforms } from './dockerfile-input.js';
import { keepBuild } from './keep-build.js';
import { openLogFile } from './log-file.js';
import type { NoEffectOptions } from './no-effect.js';
import { saidOfNoEffect } from './no-effect.js';
import { findRuntime } from './runtime.js';
import { parseCredentials } from './secrets.js';
import { openUserStore } from './user-store.js';

/** How the steps of a build are carried out, as commander gives it. */
export interface ExecutionOptions extends DockerfileOptions, LimitOptions {
  readonly cache: boolean;
  readonly cacheFilter?: string | boolean;
  readonly secret: readonly string[];
  readonly ssh: readonly string[];
  readonly cacheFrom: readonly string[];
  /** Seconds since 1970. */
  readonly timestamp?: number;
  readonly rewriteTimestamp?: boolean;
  readonly jobs?: number;
  readonly isolation: Isolation;
  readonly runtime?: string;
}

/** Options of `wiac build`, as commander gives them. */
export interface BuildOptions extends ExecutionOptions, OutputOptions, NoEffectOptions {
  readonly cacheTo: readonly string[];
  readonly quiet: boolean;
  readonly debug: readonly string[];
  readonly logfile?: string;
  readonly iidfile?: string;
  readonly report?: string;
  readonly call?: string;
  readonly watch: boolean;
  readonly exec?: string;
  readonly progress: ProgressMode;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

/** Is there more to do with the result than to keep it? */
export function hasOutputs(options: OutputOptions): boolean {
  const { output, push, annotation, metadataFile, provenance, sbom, attest } = options;
  const lists = [output, annotation, attest];
  const single = [metadataFile, provenance, sbom];
  return (
    push || lists.some(({ length }) => length > 0) || single.some((item) => item !== undefined)
  );
}

/** Steps that are run although the cache may have them. */
function getNoCache({ cache, cacheFilter }: ExecutionOptions): DockerfileBuild['noCache'] {
  if (!cache) return true;
  return typeof cacheFilter === 'string' ? cacheFilter.split(',') : false;
}

/** Says what is no event of a build, as its progress does. */
async function openWarnings(options: BuildOptions): Promise<WarningLog> {
  const { progress, logLevel, logFormat } = options;
  if (progress === 'none' || !showsWarnings(logLevel)) return () => {};
  if (progress === 'github') {
    const { githubWriter } = await import('../ui/github.js');
    const { warn } = githubWriter(githubSettings((text) => void process.stderr.write(text)));
    return (message) => warn?.(message);
  }
  if (progress !== 'json' && progress !== 'rawjson') return openLog(logLevel, logFormat);
  const { plainWarning } = await import('../ui/rawjson.js');
  return (message) => {
    const event = progress === 'json' ? { type: 'warning', message } : plainWarning(message);
    process.stderr.write(`${JSON.stringify(event)}\n`);
  };
}

/** Shows the events of one platform after the other. */
export function showEvents(open: () => Progress, logLevel: LogLevel): Progress {
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

/** Builds, writes the outputs, and prints the lowerdir string of each platform. */
export async function buildCommand(
  path: string,
  given: BuildOptions,
  setExitCode: SetExitCode,
): Promise<void> {
  const options = combineOptions(given);
  const root = storeRoot(process.env, process.getuid?.() === 0);
  const { format } = options;
  const notices = saidOfNoEffect(options);
  if (options.watch && options.debug.length > 0)
    throw new UsageError('--watch and --debug exclude each other', {
      hint: 'leave --watch out to look into a step that fails',
    });
  if (options.exec !== undefined && !options.watch)
    throw new UsageError('--exec goes with --watch', {
      hint: 'run a program in the result: wiac run IMAGE PROGRAM',
    });
  const asked = options.check ? 'check' : options.call;
  if (asked !== undefined) {
    const { callCommand, parseCall } = await import('./call.js');
    const call = parseCall(asked, format === 'json' ? 'json' : 'text');
    if (call.method !== 'build')
      return callCommand(path, call, options, setExitCode, options.progress === 'github');
  }
  const relayed = await ensurePrivileges(root);
  if (relayed !== undefined) return setExitCode(relayed);
  const warn = await openWarnings(options);
  if (!options.quiet) notices.forEach(warn);
  const labels = await getLabels(path, options, warn);
  const labelled = { ...options, label: labels };
  if (!options.watch) return buildAndWrite(root, path, labelled, warn);
  const { watchCommand } = await import('./watch-command.js');
  await watchCommand(root, path, labelled, options.exec, warn);
}

/** The labels of the command line, after those that BUILDX_GIT_LABELS asks for. */
async function getLabels(
  path: string,
  { file, label = [] }: BuildOptions,
  warn: WarningLog,
): Promise<readonly string[]> {
  if (!process.env.BUILDX_GIT_LABELS) return label;
  const { gitLabels } = await import('./git-labels.js');
  return [...(await gitLabels(path, file, process.env, warn)), ...label];
}

/** What the options ask of the engine. @throws UsageError */
export async function buildRequest(
  path: string,
  options: ExecutionOptions,
  signal: AbortSignal,
): Promise<DockerfileBuild> {
  const { platform, ...others } = options;
  return {
    ...(await dockerfileRequest(path, others, signal)),
    ...(platform === undefined ? {} : { platforms: wantedPlatforms(platform) }),
    noCache: getNoCache(options),
    cacheFrom: options.cacheFrom,
    trustKeys: readTrustKeys(process.env),
    ...parseCredentials(options.secret, options.ssh),
    jobs: options.jobs,
    isolation: options.isolation,
    runtime: findRuntime(options),
    privateNetwork: options.network === 'private',
    limits: parseLimits(options),
    timestamp: options.timestamp,
    rewriteTimestamp: options.rewriteTimestamp,
  };
}

export function checkNames(names: readonly string[]): void {
  for (const name of names) {
    if (!isImageName(name))
      throw new UsageError(`--tag ${name} is not a name`, {
        hint: 'write NAME:TAG, the name in lower case with digits and . _ - /',
      });
  }
}

async function buildAndWrite(
  root: string,
  path: string,
  options: BuildOptions,
  warn: WarningLog,
): Promise<void> {
  // A mistake in the config file is told before the build, not after it.
  readPolicy(process.env);
  readHistoryBounds(process.env);
  checkNames(options.tag);
  // Most builds are for the cache alone, and need nothing of what writes images.
  const module = hasOutputs(options) ? await import('./build-outputs.js') : undefined;
  const log = options.logfile === undefined ? undefined : openLogFile(options.logfile);
  const stop = abortOnSignal();
  const request = await buildRequest(path, options, stop.signal);
  const progress = showEvents(
    await progressOpener(options.progress, options.quiet, log),
    options.logLevel,
  );
  const debugging = await getDebugging(options, progress);
  const summary = await openStepSummary(options, process.env);
  // Before anything is read: should this pid be taken, another process reads it (run-again.ts).
  const store = await openUserStore(root, warn);
  const report = await openReportFile(store, options, request);
  const record = keepBuild(store, request);
  const emit: EventSink = (event) => {
    record.emit(event);
    report?.emit(event);
    progress.emit(event);
  };
  let isClosed = false;
  const close = (): void => {
    if (isClosed) return;
    isClosed = true;
    progress.close();
    const problem = summary?.write();
    if (problem !== undefined) warn(problem);
  };
  try {
    await renewLock(store, request, options, warn);
    const outputs = module?.planOutputs(options);
    const result = await buildDockerfile(store, {
      ...request,
      shells: debugging?.shells,
      keep: options.iidfile !== undefined,
      cacheTo: options.cacheTo,
      names: outputs?.names ?? options.tag,
      destination: outputs && module?.getDestination(outputs, options, request.registry ?? {}),
      onEvent: (event) => {
        summary?.emit(event);
        emit(event);
      },
      explain:
        record.isKept ||
        report !== undefined ||
        (!options.quiet && !['quiet', 'none'].includes(options.progress)),
      onInput: ({ epoch }) => outputs && module?.checkTimes(outputs, epoch),
    })
      .catch((error: unknown) => {
        close();
        const missed = debugging?.missed(error);
        if (missed !== undefined) warn(missed);
        throw error;
      })
      .finally(() => stop.dispose());
    const missed = debugging?.missed(undefined);
    if (missed !== undefined) warn(missed);
    if (options.iidfile !== undefined) await writeId(store, options.iidfile, result);
    const pushed =
      outputs && (await module?.writeOutputs(outputs, store, result, request.registry ?? {}, emit));
    const images = outputs?.names ?? options.tag;
    record.end({
      lowerdirs: result.platforms.map(({ result: built }) => built.lowerdirs),
      images,
    });
    await report?.end(result, images);
    // Standard output may be the same terminal.
    close();
    if (!outputs?.stdoutTaken)
      for (const { result: built } of result.platforms)
        process.stdout.write(`${built.elsewhere.size > 0 ? pushed : built.lowerdirs}\n`);
    if (result.platforms.some((built) => built.result.executed > 0))
      await pruneAfterwards(store, options);
  } catch (error) {
    record.fail(error);
    await report?.fail(error).catch((problem: Error) => warn(problem.message));
    throw error;
  } finally {
    close();
    await closeStore(store);
  }
}

/** --debug */
async function getDebugging({ debug }: BuildOptions, progress: Progress) {
  if (debug.length === 0) return undefined;
  const { openDebugging } = await import('./debug-option.js');
  const write = (text: string) => void process.stderr.write(text);
  return openDebugging(debug, process.env, { ...progress, write });
}

/** --report */
async function openReportFile(
  store: Store,
  { report, tag }: BuildOptions,
  request: DockerfileBuild,
): Promise<BuildReport | undefined> {
  if (report === undefined) return undefined;
  return (await import('./build-report.js')).openReport(store, report, request, tag);
}

/** --lock=update */
export async function renewLock(
  store: Store,
  request: DockerfileBuild,
  options: BuildOptions,
  warn: WarningLog,
): Promise<void> {
  const { renewal } = parseLockMode(options);
  if (renewal === undefined) return;
  const { lockBuild } = await import('../engine/locks/lock-build.js');
  const { warnings } = await lockBuild(store, request, renewal);
  warnings.forEach(warn);
}

export async function writeId(
  store: Store,
  file: string,
  { named }: DockerfileResult,
): Promise<void> {
  const [{ writeResultFile }, { imageId }] = await Promise.all([
    import('./result-file.js'),
    import('../engine/images/settle-image-ids.js'),
  ]);
  await writeResultFile('--iidfile', file, await imageId(store, named.result.image));
}

/** Only a build that made something can have made the cache too large. */
export async function pruneAfterwards(store: Store, options: BuildOptions): Promise<void> {
  const { autoPrune } = await import('./auto-prune.js');
  const problem = await autoPrune(store);
  if (problem !== undefined) (await openWarnings(options))(problem);
}
