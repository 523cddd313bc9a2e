/** `wiac build` */
import { writeFileSync } from 'node:fs';
import { availableParallelism, constants } from 'node:os';
import { build } from '../build/build.js';
import { isImageName } from '../cache/images.js';
import { storeRoot } from '../cache/paths.js';
import { closeStore, openStore } from '../cache/store.js';
import { InterruptedError, UsageError } from '../errors.js';
import type { Isolation } from '../exec/container.js';
import { ensurePrivileges } from '../exec/privileges.js';
import type { Step } from '../plan/step.js';
import type { LogLevel } from '../ui/log.js';
import { createLog } from '../ui/log.js';
import type { ProgressMode } from '../ui/progress.js';
import { openProgress } from '../ui/progress.js';
import type { SetExitCode } from './declare/options.js';
import type { DockerfileOptions } from './dockerfile-input.js';
import { planDockerfile } from './dockerfile-input.js';
import { parseCredentials } from './secrets.js';
import type { SharedCaches } from './shared-caches.js';

/** Options of `wiac build`, as commander gives them. */
export interface BuildOptions extends DockerfileOptions {
  readonly tag: readonly string[];
  readonly cache: boolean;
  readonly cacheFilter?: string | boolean;
  readonly secret: readonly string[];
  readonly ssh: readonly string[];
  readonly cacheFrom: readonly string[];
  readonly cacheTo: readonly string[];
  readonly quiet: boolean;
  readonly check: boolean;
  /** Of --check. */
  readonly format: 'text' | 'json';
  readonly iidfile?: string;
  readonly jobs?: number;
  readonly progress: ProgressMode;
  readonly isolation: Isolation;
  readonly logLevel: LogLevel;
}

const STOPPING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Aborts on a signal that asks the process to end; a second one ends it at once. */
function abortOnSignal(): { signal: AbortSignal; dispose: () => void } {
  const controller = new AbortController();
  const handler = (name: NodeJS.Signals) => {
    const error = new InterruptedError(name, constants.signals[name]);
    if (controller.signal.aborted) process.exit(error.exitCode);
    controller.abort(error);
  };
  for (const name of STOPPING) process.on(name, handler);
  return {
    signal: controller.signal,
    dispose: () => {
      for (const name of STOPPING) process.off(name, handler);
    },
  };
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
async function openCaches(from: readonly string[], to: readonly string[]): Promise<SharedCaches> {
  if (from.length + to.length === 0) return { from: [], to: [], close: async () => {} };
  const { openSharedCaches } = await import('./shared-caches.js');
  return openSharedCaches(from, to);
}

/** Builds and prints the lowerdir string. */
export async function buildCommand(
  path: string,
  options: BuildOptions,
  setExitCode: SetExitCode,
): Promise<void> {
  const root = storeRoot(process.env, process.getuid?.() === 0);
  if (options.check) {
    const { checkCommand } = await import('./check.js');
    return checkCommand(path, options, options.format);
  }
  const relayed = await ensurePrivileges(root);
  if (relayed !== undefined) return setExitCode(relayed);
  for (const name of options.tag) {
    if (!isImageName(name))
      throw new UsageError(`--tag ${name} is not a name`, {
        hint: 'use letters, digits and . _ - / :',
      });
  }
  const caches = await openCaches(options.cacheFrom, options.cacheTo);
  const { plan, images, close, openContext } = await planDockerfile(path, options);
  const log = createLog(options.logLevel);
  const store = openStore(root);
  const progress = await openProgress(options.progress, options.quiet);
  const stop = abortOnSignal();
  try {
    const result = await build({
      plan,
      store,
      images,
      openContext,
      isolation: options.isolation,
      skipsCache: cacheSkipper(options),
      ...parseCredentials(options.secret, options.ssh),
      cacheFrom: caches.from,
      cacheTo: caches.to,
      jobs: options.jobs ?? availableParallelism(),
      names: options.tag,
      keepImage: options.tag.length > 0 || options.iidfile !== undefined,
      emit: (event) => {
        if (event.type === 'warning') void log('warn', event.message);
        progress.emit(event);
      },
      signal: stop.signal,
    });
    progress.close();
    if (options.iidfile !== undefined) writeFileSync(options.iidfile, result.image.id);
    process.stdout.write(`${result.lowerdirs}\n`);
  } finally {
    progress.close();
    stop.dispose();
    await close();
    await caches.close();
    await closeStore(store);
  }
}
