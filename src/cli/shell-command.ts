/** `wiac shell` */
import { runInLayers } from '../engine/run-in-layers.js';
import type { StepFiles } from '../engine/step-files.js';
import type { Isolation } from '../executor/local/container.js';
import { DEFAULT_RESTRICTIONS, STEP_HOSTNAME } from '../executor/local/container.js';
import { parseLowerdirs } from '../executor/local/overlay.js';
import { chooseShell, showBusybox } from '../executor/local/shell-program.js';
import { DEFAULT_PATH } from '../oci/image-config.js';
import { DEFAULT_SHM_BYTES } from '../plan/plan.js';
import { layerStack } from '../store/layers/layer-stack.js';
import { temporaryDirectory } from '../store/paths.js';
import type { Store } from '../store/store.js';
import type { SetExitCode } from './declare/options.js';
import type { DockerfileOptions } from './dockerfile-input.js';
import { tellMissing } from './run-command.js';
import { findRuntime } from './runtime.js';
import { withStepFiles } from './step-operands.js';

/** Options of `wiac shell`, as commander gives them. */
export interface ShellOptions extends DockerfileOptions {
  readonly user?: string;
  readonly isolation: Isolation;
  readonly runtime?: string;
}

/** @returns the exit code of the program */
async function runShell(
  store: Store,
  { step, layers, lowerdirs, settings }: StepFiles,
  command: readonly string[],
  options: ShellOptions,
): Promise<number> {
  const stack = await layerStack(store, layers);
  const argv = command.length > 0 ? command : chooseShell(stack);
  const { TERM } = process.env;
  const term = process.stdin.isTTY && TERM !== undefined ? [['TERM', TERM] as const] : [];
  const env = [['PATH', DEFAULT_PATH] as const, ...settings.env, ...term];
  const network = options.network === 'default' ? 'host' : (options.network ?? 'host');
  const binds = showBusybox();
  const { workdir } = settings;
  const exit = await runInLayers({
    lower: parseLowerdirs(lowerdirs),
    layer: undefined,
    temporary: temporaryDirectory(),
    isolation: options.isolation,
    runtime: findRuntime(options),
    names: { network, extraHosts: [], hostname: STEP_HOSTNAME },
    user: options.user ?? settings.user,
    groups: [],
    workdir,
    env,
    argv,
    binds,
    tmpfs: [],
    terminal: false,
    privileged: false,
    devices: [],
    restrictions: DEFAULT_RESTRICTIONS,
    shmSize: DEFAULT_SHM_BYTES,
    limits: [],
    control: {},
  });
  const name = `the layers of ${step.text}`;
  await tellMissing(exit, { argv, name }, { binds, tmpfs: [] }, new Map(env), workdir);
  return exit.code;
}

/**
 * Opens a shell in the files of a finished step, or runs a command there; what it changes is thrown away.
 * @param wanted the step; undefined: the last one
 * @param command undefined, or empty: a shell
 * @throws NotFoundError when the step is not in the cache; IsolationError when there is no shell
 */
export function shellCommand(
  path: string,
  wanted: string | undefined,
  command: readonly string[],
  options: ShellOptions,
  setExitCode: SetExitCode,
): Promise<void> {
  return withStepFiles(path, [wanted], options, setExitCode, async (store, [files]) => {
    if (files) setExitCode(await runShell(store, files, command, options));
  });
}
