/** `wiac build --watch` */
import { constants } from 'node:os';
import type { DockerfileBuild, DockerfileResult } from '../engine/build-dockerfile.js';
import type { WatchListener } from '../engine/watch/watch-build.js';
import { watchBuild } from '../engine/watch/watch-build.js';
import type { Store } from '../store/store.js';
import { closeStore } from '../store/store.js';
import type { WarningLog } from '../ui/log.js';
import type { Progress } from '../ui/progress.js';
import { progressOpener } from '../ui/progress.js';
import { InterruptedError, UsageError } from '../util/errors.js';
import { abortOnSignal } from './abort-on-signal.js';
import type { BuildOptions } from './build-command.js';
import {
  buildRequest,
  checkNames,
  hasOutputs,
  pruneAfterwards,
  renewLock,
  showEvents,
  writeId,
} from './build-command.js';
import { readHistoryBounds, readPolicy } from './config-file.js';
import { keepBuild } from './keep-build.js';
import { openLogFile } from './log-file.js';
import type { ErrorForm } from './report.js';
import { reportError } from './report.js';
import { openUserStore } from './user-store.js';
import type { WatchProgram } from './watch-program.js';
import { watchProgram } from './watch-program.js';

/** What is done with each result. */
interface Results {
  readonly options: BuildOptions;
  readonly store: Store;
  readonly request: DockerfileBuild;
  readonly module: typeof import('./build-outputs.js') | undefined;
  readonly outputs: ReturnType<typeof import('./build-outputs.js').planOutputs> | undefined;
  /** Undefined: each result is printed. */
  readonly program: WatchProgram | undefined;
}

/** Writes the outputs. @returns a lowerdir string for each platform, or the digest of what was pushed */
async function useResult(
  { options, store, request, module, outputs }: Results,
  result: DockerfileResult,
  emit: Progress['emit'],
): Promise<string[]> {
  if (options.iidfile !== undefined) await writeId(store, options.iidfile, result);
  const { registry = {} } = request;
  const pushed = outputs && (await module?.writeOutputs(outputs, store, result, registry, emit));
  return result.platforms.map(({ result: built }) =>
    built.elsewhere.size > 0 ? (pushed ?? '') : built.lowerdirs,
  );
}

/** Shows and keeps each build, and hands on what it has made. */
function listen(results: Results, open: () => Progress, form: ErrorForm): WatchListener {
  const { options, store, request, program, outputs } = results;
  const start = () => {
    const record = keepBuild(store, request);
    const progress = showEvents(open, options.logLevel);
    const emit: Progress['emit'] = (event) => {
      record.emit(event);
      progress.emit(event);
    };
    return { record, progress, emit };
  };
  let current: ReturnType<typeof start> | undefined;
  const end = (): void => {
    current?.progress.close();
    current = undefined;
  };
  return {
    begin: () => {
      current = start();
      return current.emit;
    },
    async built(result, isOther) {
      if (!current) return;
      const lines = await useResult(results, result, current.emit);
      const lowerdirs = result.platforms.map(({ result: built }) => built.lowerdirs);
      current.record.end({ lowerdirs, images: outputs?.names ?? options.tag });
      end();
      if (!isOther) return;
      if (program) await program.restart(lines);
      else process.stdout.write(`${lines.join('\n')}\n`);
      if (result.platforms.some((built) => built.result.executed > 0))
        await pruneAfterwards(store, options);
    },
    async failed(error) {
      current?.record.fail(error);
      end();
      await reportError(error, 'build', form);
    },
    outdated() {
      current?.record.fail(new InterruptedError('SIGTERM', constants.signals.SIGTERM));
      end();
    },
  };
}

/**
 * Builds again and again, until a signal ends it.
 * @param exec for sh(1): started anew with each result
 * @throws InterruptedError in the end; UsageError, StoreError
 */
export async function watchCommand(
  root: string,
  path: string,
  options: BuildOptions,
  exec: string | undefined,
  warn: WarningLog,
): Promise<never> {
  readPolicy(process.env);
  readHistoryBounds(process.env);
  checkNames(options.tag);
  const module = hasOutputs(options) ? await import('./build-outputs.js') : undefined;
  const outputs = module?.planOutputs(options);
  if (outputs?.stdoutTaken)
    throw new UsageError('--watch: an output can’t go to standard output again and again', {
      hint: 'give it a dest=FILE',
    });
  if (options.report !== undefined)
    throw new UsageError('--watch: --report writes a page about one build', {
      hint: 'leave --report out, and build once more with it',
    });
  const log = options.logfile === undefined ? undefined : openLogFile(options.logfile);
  const { signal } = abortOnSignal();
  const request = await buildRequest(path, options, signal);
  const open = await progressOpener(options.progress, options.quiet, log);
  const store = await openUserStore(root, warn);
  const program =
    exec === undefined ? undefined : watchProgram(exec, (how) => warn(`${exec}: ${how}`));
  const asJson = ['json', 'rawjson'].includes(options.progress);
  const form = asJson ? 'json' : options.progress === 'github' ? 'github' : 'text';
  try {
    await renewLock(store, request, options, warn);
    const results = { options, store, request, module, outputs, program };
    const wanted: DockerfileBuild & { readonly signal: AbortSignal } = {
      ...request,
      signal,
      keep: options.iidfile !== undefined,
      cacheTo: options.cacheTo,
      names: outputs?.names ?? options.tag,
      destination: outputs && module?.getDestination(outputs, options, request.registry ?? {}),
      explain: true,
      onInput: ({ epoch }) => outputs && module?.checkTimes(outputs, epoch),
    };
    return await watchBuild(store, wanted, [root], listen(results, open, form));
  } finally {
    await program?.stop();
    await closeStore(store);
  }
}
