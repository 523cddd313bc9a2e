/** `wiac run` */
import { runInLayers } from '../engine/run-in-layers.js';
import type { ControlLimits } from '../executor/local/cgroup-limits.js';
import { memoryKillMessage, refusedProcessesMessage } from '../executor/local/cgroup-limits.js';
import { ensurePrivileges } from '../executor/local/privileges.js';
import type { ProgramExit } from '../executor/local/run-program.js';
import { envPairs } from '../oci/image-config.js';
import { storeRoot, temporaryDirectory } from '../store/paths.js';
import { closeStore } from '../store/store.js';
import { parseLimits } from './container-limits.js';
import type { ContainerSettings } from './run-container.js';
import { containerSettings } from './run-container.js';
import { runEnvironment } from './run-environment.js';
import type { RunOptions } from './run-options.js';
import { checkRemoval, checkRunOptions } from './run-options.js';
import type { Target } from './run-target.js';
import { openTarget } from './run-target.js';

function say(message: string, hint?: string): void {
  process.stderr.write(`wiac: ${message}\n${hint === undefined ? '' : `hint: ${hint}\n`}`);
}

function environment(
  { config }: Target,
  options: RunOptions,
  { names }: ContainerSettings,
): Map<string, string> {
  // As docker and podman have it; the image and -e may say another one.
  const base = new Map([['HOSTNAME', names.hostname], ...envPairs(config.Env)]);
  // Programs ask the terminal's type, not whether it is there.
  if (process.stdin.isTTY && process.env.TERM !== undefined) base.set('TERM', process.env.TERM);
  else if (options.tty && !base.has('TERM')) base.set('TERM', 'xterm');
  return runEnvironment(base, options, process.env);
}

/** Says why a program could not be started, or found something missing. */
export async function tellMissing(
  exit: ProgramExit,
  { argv, name: layers }: Pick<Target, 'argv' | 'name'>,
  { binds, tmpfs }: Pick<ContainerSettings, 'binds' | 'tmpfs'>,
  env: ReadonlyMap<string, string>,
  workdir: string,
): Promise<void> {
  if (exit.startError !== undefined) say(`can't start ${exit.startError}`);
  if (exit.code === 0) return;
  const mounts = [...binds.map(({ path }) => path), ...tmpfs.map(({ target }) => target)];
  const { explainMissing } = await import('../libs/explain-missing.js');
  const reason = explainMissing({ ...exit, argv, env, workdir, mounts, layers });
  if (reason) say(reason.message, reason.hint);
}

/** Runs the program. @returns its exit code */
async function runTarget(
  target: Target,
  options: RunOptions,
  settings: ContainerSettings,
  control: ControlLimits,
): Promise<number> {
  const env = environment(target, options, settings);
  const workdir = options.workdir || target.config.WorkingDir || '/';
  const exit = await runInLayers({
    ...settings,
    lower: target.lower,
    layer: target.layer,
    // What is not kept is on the file system of TMPDIR, with all else that is short-lived.
    temporary: temporaryDirectory(),
    user: options.user ?? target.config.User ?? '',
    workdir,
    env: [...env],
    argv: target.argv,
    control,
  });
  await tellMissing(exit, target, settings, env, workdir);
  if (exit.memoryKills > 0) say(memoryKillMessage(control, exit.memoryKills));
  if (exit.maxProcesses !== undefined && exit.refusedProcesses > 0)
    say(refusedProcessesMessage(exit.maxProcesses), '--pids-limit=NUMBER allows more, or fewer');
  return exit.code;
}

/**
 * Runs a program in layers.
 * @returns the program's exit code
 */
export async function runCommand(
  first: string,
  rest: readonly string[],
  options: RunOptions,
): Promise<number> {
  const root = storeRoot(process.env, process.getuid?.() === 0);
  const relayed = await ensurePrivileges(root);
  if (relayed !== undefined) return relayed;
  for (const line of checkRunOptions(options)) say(`warning: ${line}`);
  // A wrong option is told of before an image is pulled.
  const control = parseLimits(options);
  const settings = containerSettings(options);
  const { target, store } = await openTarget(root, first, rest, options);
  try {
    checkRemoval(options, target.layer !== undefined);
    return await runTarget(target, options, settings, control);
  } finally {
    if (store) await closeStore(store);
  }
}
