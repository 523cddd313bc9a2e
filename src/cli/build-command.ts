/** `wiac build` */
import type { DockerfileBuild, DockerfileResult } from '../engine/build-dockerfile.js';
import { buildDockerfile } from '../engine/build-dockerfile.js';
import type { EventSink } from '../engine/events.js';
import type { Isolation } from '../executor/local/container.js';
import { ensurePrivileges } from '../executor/local/privileges.js';
import { bothWays } from '../shared-cache/both-ways.js';
import { isImageName } from '../store/images/store-images.js';
import { storeRoot } from '../store/paths.js';
import type { Store } from '../store/store.js';
import { closeStore } from '../store/store.js';
import type { LogFormat, LogLevel, WarningLog } from '../ui/log.js';
import { openLog, showsWarnings } from '../ui/log.js';
import type { Progress, ProgressMode } from '../ui/progress.js';
import { githubSettings, progressOpener } from '../ui/progress.js';
import { abortable } from '../util/abort.js';
import { UsageError } from '../util/errors.js';
import { abortOnSignal } from './abort-on-signal.js';
import { listenerServices, openListeners } from './build-listeners.js';
import type { OutputOptions } from './build-outputs.js';
import { combineOptions } from './combine-options.js';
import { readHistoryBounds, readPolicy, readTrustKeys } from './config-file.js';
import type { LimitOptions } from './container-limits.js';
import { parseLimits } from './container-limits.js';
import type { SetExitCode } from './declare/options.js';
import type { DockerfileOptions } from './dockerfile-input.js';
import { dockerfileRequest, parseLockMode, wantedPlatforms } from './dockerfile-input.js';
import { openLogFile } from './log-file.js';
import type { NoEffectOptions } from './no-effect.js';
import { saidOfNoEffect } from './no-effect.js';
import { findRuntime } from './runtime.js';
import { parseSecrets } from './secrets.js';
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
  readonly queue?: string;
  /** --cache */
  readonly sharedCache?: string;
  readonly signKey?: string;
  readonly queueFallback: 'fail' | 'local';
  readonly workerLabel: readonly string[];
  readonly workerKey?: string;
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

/** What can't be written is told of before a build, not after it. @throws UsageError */
async function requireResultFiles({ iidfile, metadataFile }: BuildOptions): Promise<void> {
  if (iidfile === undefined && metadataFile === undefined) return;
  const { requireWritable } = await import('./result-file.js');
  if (iidfile !== undefined) requireWritable('--iidfile', iidfile);
  if (metadataFile !== undefined) requireWritable('--metadata-file', metadataFile);
}

/** Steps that are run although the cache may have them. */
function getNoCache({ cache, cacheFilter }: ExecutionOptions): DockerfileBuild['noCache'] {
  if (!cache) return true;
  return typeof cacheFilter === 'string' ? cacheFilter.split(',') : false;
}

/** Says what is no event of a build, as its progress does. */
export async function openWarnings(
  options: Pick<BuildOptions, 'progress' | 'logLevel' | 'logFormat'>,
): Promise<WarningLog> {
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
  if (options.queue !== undefined && (options.watch || options.debug.length > 0))
    throw new UsageError('--queue goes neither with --watch nor with --debug', {
      hint: 'leave --queue out: the steps run on this machine then',
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
    secret: parseSecrets(options.secret),
    jobs: options.jobs,
    isolation: options.isolation,
    runtime: findRuntime(options),
    privateNetwork: options.network === 'private',
    limits: parseLimits(options),
    timestamp: options.timestamp,
    rewriteTimestamp: options.rewriteTimestamp,
  };
}

/** @throws UsageError for a name of -t that is none */
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
  await requireResultFiles(options);
  const request = await buildRequest(path, options, stop.signal);
  const open = await progressOpener(options.progress, options.quiet, log);
  const services = await listenerServices(options, process.env, warn);
  // Before anything is read: should this pid be taken, another process reads it (run-again.ts).
  const store = await openUserStore(root, warn);
  const listeners = openListeners(store, request, options, open, services);
  let queue: Awaited<ReturnType<typeof getQueue>>;
  try {
    queue = await abortable(stop.signal, () => getQueue(request, options, warn));
    const caches = cachesOf(options);
    await renewLock(store, request, options, warn);
    const outputs = module?.planOutputs(options);
    const debugging = await getDebugging(options, listeners.progress);
    const tellMissed = (error: unknown): void => {
      const missed = debugging?.missed(error);
      if (missed !== undefined) warn(missed);
    };
    const result = await buildDockerfile(store, {
      ...request,
      ...(queue && { executor: queue.executor, inSlot: queue.inSlot }),
      secret: listeners.secret,
      shells: debugging?.shells,
      keep: options.iidfile !== undefined,
      outputs: outputs !== undefined,
      cacheFrom: caches.from,
      cacheTo: caches.to,
      names: outputs?.names ?? options.tag,
      destination: outputs && module?.getDestination(outputs, options, request.registry ?? {}),
      onEvent: listeners.emit,
      explain: listeners.explain,
      onInput: ({ epoch, dockerfile }) => {
        queue?.read(dockerfile);
        if (outputs) module?.checkTimes(outputs, epoch);
      },
    })
      .catch((error: unknown) => {
        listeners.close();
        tellMissed(error);
        throw error;
      })
      .finally(() => stop.dispose());
    tellMissed(undefined);
    const lines = await useResult(store, request, options, module, outputs, result, listeners.emit);
    await listeners.end(result, outputs?.names ?? options.tag).finally(() => {
      // Standard output may be the same terminal.
      listeners.close();
      // There is a result, whether it could be told of or not.
      if (!outputs?.stdoutTaken) for (const line of lines) process.stdout.write(`${line}\n`);
    });
    await pruneAfterwards(store, options, result);
  } catch (error) {
    await listeners.fail(error);
    throw error;
  } finally {
    listeners.close();
    await queue?.close();
    await closeStore(store);
  }
}

/** --cache-from and --cache-to with what --cache says. */
function cachesOf({ cacheFrom, cacheTo, sharedCache, signKey }: BuildOptions) {
  if (sharedCache === undefined) return { from: cacheFrom, to: cacheTo };
  const { from, to } = bothWays(sharedCache, signKey);
  return { from: [...cacheFrom, from], to: [...cacheTo, to] };
}

/** --queue. @throws UsageError without --cache; QueueError */
async function getQueue(request: DockerfileBuild, options: BuildOptions, warn: WarningLog) {
  if (options.queue === undefined) return undefined;
  const { openQueue } = await import('./queue-option.js');
  return openQueue(options.queue, request, options, warn);
}

/** --debug */
async function getDebugging({ debug }: BuildOptions, progress: Progress) {
  if (debug.length === 0) return undefined;
  const { openDebugging } = await import('./debug-option.js');
  const write = (text: string) => void process.stderr.write(text);
  return openDebugging(debug, process.env, { ...progress, write });
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

/** The planned outputs of a command line that has some, and what writes them. */
export type OutputsModule = typeof import('./build-outputs.js');

/** Writes the outputs. @returns a lowerdir string for each platform, or the digest of what was pushed */
export async function useResult(
  store: Store,
  { registry = {} }: DockerfileBuild,
  { iidfile }: BuildOptions,
  module: OutputsModule | undefined,
  outputs: ReturnType<OutputsModule['planOutputs']> | undefined,
  result: DockerfileResult,
  emit: EventSink,
): Promise<string[]> {
  if (iidfile !== undefined) await writeId(store, iidfile, result);
  const pushed = outputs && (await module?.writeOutputs(outputs, store, result, registry, emit));
  return result.platforms.map(({ result: built }) =>
    built.elsewhere.size > 0 ? (pushed ?? '') : built.lowerdirs,
  );
}

async function writeId(store: Store, file: string, { named }: DockerfileResult): Promise<void> {
  const [{ writeResultFile }, { imageId }] = await Promise.all([
    import('./result-file.js'),
    import('../engine/images/settle-image-ids.js'),
  ]);
  await writeResultFile('--iidfile', file, await imageId(store, named.result.image));
}

/** Only a build that made something can have made the cache too large. */
export async function pruneAfterwards(
  store: Store,
  options: BuildOptions,
  { platforms }: DockerfileResult,
): Promise<void> {
  if (!platforms.some(({ result }) => result.executed > 0)) return;
  const { autoPrune } = await import('./auto-prune.js');
  const problem = await autoPrune(store);
  if (problem !== undefined) (await openWarnings(options))(problem);
}
