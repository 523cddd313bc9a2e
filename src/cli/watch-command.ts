/** `wiac build --watch` */
import { constants } from 'node:os';
import type { DockerfileBuild } from '../engine/build-dockerfile.js';
import type { WatchListener } from '../engine/watch/watch-build.js';
import { watchBuild } from '../engine/watch/watch-build.js';
import type { Store } from '../store/store.js';
import { closeStore } from '../store/store.js';
import type { WarningLog } from '../ui/log.js';
import { progressOpener } from '../ui/progress.js';
import { InterruptedError, UsageError } from '../util/errors.js';
import { abortOnSignal } from './abort-on-signal.js';
import type { BuildOptions, OutputsModule } from './build-command.js';
import {
  buildRequest,
  checkNames,
  hasOutputs,
  pruneAfterwards,
  renewLock,
  useResult,
} from './build-command.js';
import type { BuildListeners } from './build-listeners.js';
import { listenerServices, openListeners } from './build-listeners.js';
import { readHistoryBounds, readPolicy } from './config-file.js';
import { openLogFile } from './log-file.js';
import type { ErrorForm } from './report.js';
import { errorForm, reportError } from './report.js';
import { openUserStore } from './user-store.js';
import type { WatchProgram } from './watch-program.js';
import { watchProgram } from './watch-program.js';

/** What is done with each result. */
interface Results {
  readonly options: BuildOptions;
  readonly store: Store;
  readonly request: DockerfileBuild;
  readonly module: OutputsModule | undefined;
  readonly outputs: ReturnType<OutputsModule['planOutputs']> | undefined;
  /** Undefined: each result is printed. */
  readonly program: WatchProgram | undefined;
}

/** Shows and keeps each build, and hands on what it has made. @param start opens the listeners of a build */
function listen(
  { options, store, request, module, outputs, program }: Results,
  start: () => BuildListeners,
  form: ErrorForm,
): WatchListener & Pick<DockerfileBuild, 'secret'> {
  let current: BuildListeners | undefined;
  const end = (): void => {
    current?.close();
    current = undefined;
  };
  return {
    secret: (id, signal) => (current ?? request).secret?.(id, signal),
    begin: () => {
      current = start();
      return current.emit;
    },
    async built(result, isOther) {
      if (!current) return;
      const { emit } = current;
      const lines = await useResult(store, request, options, module, outputs, result, emit);
      await current.end(result, outputs?.names ?? options.tag);
      end();
      if (!isOther) return;
      if (program) await program.restart(lines);
      else process.stdout.write(`${lines.join('\n')}\n`);
      await pruneAfterwards(store, options, result);
    },
    async failed(error) {
      await current?.fail(error);
      end();
      await reportError(error, 'build', form);
    },
    async outdated() {
      await current?.fail(new InterruptedError('SIGTERM', constants.signals.SIGTERM));
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
  const log = options.logfile === undefined ? undefined : openLogFile(options.logfile);
  const { signal } = abortOnSignal();
  const request = await buildRequest(path, options, signal);
  const open = await progressOpener(options.progress, options.quiet, log);
  const store = await openUserStore(root, warn);
  const program =
    exec === undefined ? undefined : watchProgram(exec, (how) => warn(`${exec}: ${how}`));
  try {
    await renewLock(store, request, options, warn);
    const results = { options, store, request, module, outputs, program };
    const services = await listenerServices(options, process.env, warn);
    const start = () => openListeners(store, request, options, open, services);
    const listener = listen(results, start, errorForm(options.progress));
    const wanted: DockerfileBuild & { readonly signal: AbortSignal } = {
      ...request,
      signal,
      secret: listener.secret,
      keep: options.iidfile !== undefined,
      cacheTo: options.cacheTo,
      names: outputs?.names ?? options.tag,
      destination: outputs && module?.getDestination(outputs, options, request.registry ?? {}),
      explain: true,
      onInput: ({ epoch }) => outputs && module?.checkTimes(outputs, epoch),
    };
    return await watchBuild(store, wanted, [root], listener);
  } finally {
    await program?.stop();
    await closeStore(store);
  }
}
