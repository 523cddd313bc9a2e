/** `wiac build` */
import { availableParallelism } from 'node:os';
import { build } from '../engine/run-build.js';
import { sweepControlGroups } from '../executor/local/cgroup.js';
import type { Isolation } from '../executor/local/container.js';
import { localExecutor } from '../executor/local/local-executor.js';
import { ensurePrivileges } from '../executor/local/privileges.js';
import type { RegistryOptions } from '../oci/registry/registry.js';
import { dockerfileEpoch, EPOCH_ARGUMENT, parseEpoch } from '../plan/epoch.js';
import type { Step } from '../plan/step.js';
import { isImageName } from '../store/images/store-images.js';
import { lazyScratch } from '../store/layers/layer-store.js';
import { storeRoot } from '../store/paths.js';
import type { ImageTimes } from '../store/records.js';
import { settle } from '../store/recovery/durability.js';
import type { Store } from '../store/store.js';
import { asStoreError, closeStore } from '../store/store.js';
import type { LogFormat, LogLevel, WarningLog } from '../ui/log.js';
import { openLog, showsWarnings } from '../ui/log.js';
import type { ProgressMode } from '../ui/progress.js';
import { openProgress } from '../ui/progress.js';
import { sha256 } from '../util/canonical-json.js';
import { UsageError } from '../util/errors.js';
import { abortOnSignal, interruptibly } from './abort-on-signal.js';
import type { BuildInput } from './build-input.js';
import { openInput } from './build-input.js';
import type { OutputOptions, PlatformResult } from './build-outputs.js';
import { combineOptions } from './combine-options.js';
import { readPolicy } from './config-file.js';
import type { LimitOptions } from './container-limits.js';
import { parseLimits } from './container-limits.js';
import type { SetExitCode } from './declare/options.js';
import type { DockerfileOptions } from './dockerfile-input.js';
import {
  buildArgsOf,
  parsePairs,
  planDockerfile,
  wantedPlatform,
  wantedPlatforms,
} from './dockerfile-input.js';
import type { LintEvent } from './lint.js';
import { lintBuild } from './lint.js';
import { openLogFile } from './log-file.js';
import type { NoEffectOptions } from './no-effect.js';
import { saidOfNoEffect } from './no-effect.js';
import { registryAccess } from './registry-options.js';
import type { Credentials } from './secrets.js';
import { parseCredentials } from './secrets.js';
import type { SharedCaches } from './shared-caches.js';
import { openUserStore } from './user-store.js';

/** Options of `wiac build`, as commander gives them. */
export interface BuildOptions
  extends DockerfileOptions,
    OutputOptions,
    NoEffectOptions,
    LimitOptions {
  readonly cache: boolean;
  readonly cacheFilter?: string | boolean;
  readonly secret: readonly string[];
  readonly ssh: readonly string[];
  readonly cacheFrom: readonly string[];
  readonly cacheTo: readonly string[];
  readonly quiet: boolean;
  /** Seconds since 1970. */
  readonly timestamp?: number;
  readonly rewriteTimestamp?: boolean;
  readonly logfile?: string;
  /** What the two options before come to. */
  readonly times?: ImageTimes | undefined;
  /** Where progress goes instead of standard error. */
  readonly log?: (text: string) => void;
  readonly iidfile?: string;
  readonly call?: string;
  readonly jobs?: number;
  readonly progress: ProgressMode;
  readonly isolation: Isolation;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

/** @param epoch SOURCE_DATE_EPOCH, seconds since 1970 */
type TimedOptions = BuildOptions & { readonly epoch: number | undefined };

/** Is there more to do with the result than to keep it? */
function hasOutputs(options: OutputOptions): boolean {
  const { output, push, annotation, metadataFile, provenance, sbom, attest } = options;
  const lists = [output, annotation, attest];
  const single = [metadataFile, provenance, sbom];
  return (
    push || lists.some(({ length }) => length > 0) || single.some((item) => item !== undefined)
  );
}

/** Which steps are run although the cache may have them. */
function cacheSkipper(options: BuildOptions): (step: Step) => boolean {
  if (!options.cache) return () => true;
  const { cacheFilter } = options;
  if (typeof cacheFilter !== 'string') return () => false;
  const stages = new Set(cacheFilter.toLowerCase().split(','));
  return ({ stage }) => stages.has(stage.toLowerCase());
}

/** The caches that the options name; nothing is loaded for a build without them. */
async function openCaches(
  { cacheFrom: from, cacheTo: to }: BuildOptions,
  registry: RegistryOptions,
): Promise<SharedCaches> {
  if (from.length + to.length === 0) return { from: [], to: [], close: async () => {} };
  const { openSharedCaches } = await import('./shared-caches.js');
  return openSharedCaches(from, to, registry);
}

/** --timestamp, else SOURCE_DATE_EPOCH of the command line, the environment or the Dockerfile, in this order. */
function epochOf({ dockerfile }: BuildInput, options: BuildOptions): number | undefined {
  if (options.timestamp !== undefined) return options.timestamp;
  const buildArgs = buildArgsOf(options.buildArg);
  const given = parseEpoch(buildArgs[EPOCH_ARGUMENT]);
  if (given !== undefined) return given;
  const platform = wantedPlatform(undefined);
  return dockerfileEpoch(dockerfile, {
    buildArgs,
    target: options.target,
    platform,
    buildPlatform: platform,
  });
}

/** @throws UsageError */
function timesOf(
  { timestamp, rewriteTimestamp }: BuildOptions,
  epoch: number | undefined,
): ImageTimes | undefined {
  if (timestamp !== undefined) return { seconds: timestamp, everyFile: true };
  if (!rewriteTimestamp) return undefined;
  if (epoch !== undefined) return { seconds: epoch, everyFile: false };
  throw new UsageError('--rewrite-timestamp needs SOURCE_DATE_EPOCH', {
    hint: 'for example --source-date-epoch=$(git log -1 --pretty=%ct)',
  });
}

/** Says what is no event of a build, as its progress does. */
async function openWarnings(options: BuildOptions): Promise<WarningLog> {
  const { progress, logLevel, logFormat } = options;
  if (progress === 'none' || !showsWarnings(logLevel)) return () => {};
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
  const asked = options.check ? 'check' : options.call;
  if (asked !== undefined) {
    const { callCommand, parseCall } = await import('./call.js');
    const call = parseCall(asked, format === 'json' ? 'json' : 'text');
    if (call.method !== 'build') return callCommand(path, call, options, setExitCode);
  }
  const relayed = await ensurePrivileges(root);
  if (relayed !== undefined) return setExitCode(relayed);
  const warn = await openWarnings(options);
  if (!options.quiet) notices.forEach(warn);
  const labels = await labelsOf(path, options, warn);
  await buildAndWrite(root, path, { ...options, label: labels }, warn);
}

/** The labels of the command line, after those that BUILDX_GIT_LABELS asks for. */
async function labelsOf(
  path: string,
  { file, label = [] }: BuildOptions,
  warn: WarningLog,
): Promise<readonly string[]> {
  if (!process.env.BUILDX_GIT_LABELS) return label;
  const { gitLabels } = await import('./git-labels.js');
  return [...(await gitLabels(path, file, process.env, warn)), ...label];
}

async function buildAndWrite(
  root: string,
  path: string,
  options: BuildOptions,
  warn: WarningLog,
): Promise<void> {
  // A mistake in the config file, or in a limit, is told before the build, not in it.
  readPolicy(process.env);
  parseLimits(options);
  for (const name of options.tag) {
    if (!isImageName(name))
      throw new UsageError(`--tag ${name} is not a name`, {
        hint: 'write NAME:TAG, the name in lower case with digits and . _ - /',
      });
  }
  // Most builds are for the cache alone, and need nothing of what writes images.
  const module = hasOutputs(options) ? await import('./build-outputs.js') : undefined;
  const registry = await registryAccess(options);
  const log = options.logfile === undefined ? undefined : openLogFile(options.logfile);
  const caches = await openCaches(options, registry);
  const credentials = parseCredentials(options.secret, options.ssh);
  const started = new Date();
  // Before anything is read: should this pid be taken, another process reads it (run-again.ts).
  const store = await openUserStore(root, warn);
  if (store.paths.self.foundDead) sweepControlGroups();
  const scratch = lazyScratch(store.paths);
  try {
    const { limits } = store;
    const input = await interruptibly((signal) =>
      openInput(path, options, { scratch: scratch.path, limits, signal }),
    ).catch((error: unknown) => {
      throw asStoreError(root, error);
    });
    // A value that is no time is an error, also where nothing needs it.
    const epoch = epochOf(input, options);
    const times = timesOf(options, epoch);
    const outputs = module?.planOutputs(options, epoch);
    const names = outputs?.names ?? options.tag;
    const results = await buildPlatforms(
      input,
      { ...options, epoch, registry, times, ...(log && { log }) },
      names,
      store,
      caches,
      credentials,
    );
    if (outputs) {
      const facts = buildFacts(input, options, started);
      await interruptibly(async (signal) => {
        await module?.writeOutputs(outputs, store, results, facts, registry, signal);
      });
      await settle(store);
    }
    if (!outputs?.stdoutTaken)
      for (const { result } of results) process.stdout.write(`${result.lowerdirs}\n`);
    if (results.some(({ result }) => result.executed > 0)) await pruneAfterwards(store, options);
  } finally {
    scratch.remove();
    await caches.close();
    await closeStore(store);
  }
}

/** Only a build that made something can have made the cache too large. */
async function pruneAfterwards(store: Store, options: BuildOptions): Promise<void> {
  const { autoPrune } = await import('./auto-prune.js');
  const problem = await autoPrune(store);
  if (problem !== undefined) (await openWarnings(options))(problem);
}

/** What a provenance says of the command line. */
function buildFacts({ text, name }: BuildInput, options: BuildOptions, started: Date) {
  return {
    dockerfile: { path: name, digest: sha256(text) },
    target: options.target,
    buildArgs: parsePairs(options.buildArg, '--build-arg'),
    labels: parsePairs(options.label ?? [], '--label', 'empty'),
    started,
  };
}

/**
 * Builds for each platform of --platform, one after the other; only one of them gets
 * the names, this machine's if it is among them.
 */
async function buildPlatforms(
  input: BuildInput,
  options: TimedOptions,
  names: readonly string[],
  store: Store,
  caches: SharedCaches,
  credentials: Credentials,
): Promise<PlatformResult[]> {
  const platforms = wantedPlatforms(options.platform);
  const own = wantedPlatform(undefined);
  const named = platforms.includes(own) ? own : platforms[0];
  const results: PlatformResult[] = [];
  for (const platform of platforms) {
    const given = platform === named ? names : [];
    const lint = platform === platforms[0];
    const made = await buildInStore(
      input,
      { ...options, platform, lint },
      given,
      store,
      caches,
      credentials,
    );
    if (options.iidfile !== undefined && platform === named) {
      const [{ writeResultFile }, { imageId }] = await Promise.all([
        import('./result-file.js'),
        import('../engine/images/settle-image-ids.js'),
      ]);
      const id = await imageId(store, made.result.image);
      await writeResultFile('--iidfile', options.iidfile, id);
    }
    results.push(made);
  }
  return results;
}

/** @param options.lint shows what the linter says: once, however many platforms there are */
async function buildInStore(
  input: BuildInput,
  options: TimedOptions & { readonly lint: boolean },
  names: readonly string[],
  store: Store,
  caches: SharedCaches,
  credentials: Credentials,
): Promise<PlatformResult> {
  const { plan, images, close, openContext } = await interruptibly((signal) =>
    planDockerfile(options, store, input, signal),
  );
  const progress = await openProgress(options.progress, options.quiet, options.log);
  const stop = abortOnSignal();
  let lint: LintEvent | undefined;
  let warnings: LintEvent | undefined;
  const showWarnings = () => {
    if (warnings) progress.emit(warnings);
    warnings = undefined;
  };
  try {
    if (options.lint) lint = lintBuild(input, options, images);
    warnings = lint;
    const result = await build({
      plan,
      store,
      images,
      openContext,
      executor: (machine) =>
        localExecutor({
          ...machine,
          isolation: options.isolation,
          limits: parseLimits(options),
        }),
      skipsCache: cacheSkipper(options),
      ...credentials,
      cacheFrom: caches.from,
      cacheTo: caches.to,
      jobs: options.jobs ?? availableParallelism(),
      names,
      times: options.times,
      epoch: options.epoch,
      keepImage: names.length > 0 || options.iidfile !== undefined,
      emit: (event) => {
        if (event.type !== 'warning' || showsWarnings(options.logLevel)) progress.emit(event);
      },
      signal: stop.signal,
    });
    showWarnings();
    progress.close();
    return { plan, result, lint };
  } finally {
    // A build that failed has them as well: they may say why.
    showWarnings();
    progress.close();
    stop.dispose();
    await close();
  }
}
