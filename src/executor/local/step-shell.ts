/**
 * A shell in the container of a RUN step, before the step or after it has failed: with its mounts,
 * environment, user, network and sandbox. What it changes is in a draft, or a directory of one, that is
 * thrown away.
 */
import { mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { opaqueDirectories } from '../../fs/layer/layer-digest.js';
import type { Stack } from '../../fs/layer/stack.js';
import type { RunStep } from '../../plan/step.js';
import type { Draft } from '../../store/layers/layer-store.js';
import { IsolationError, WiacError } from '../../util/errors.js';
import type { ExecutionIo, ShellMoment, StepShells } from '../executor.js';
import type { Container, View } from './container.js';
import type { LocalMachine } from './local-machine.js';
import { describeOverlay } from './overlay.js';
import type { MountRequest } from './rootfs.js';
import { inheritRoot } from './rootfs.js';
import type { PreparedMounts } from './run-mounts.js';
import { addView } from './run-mounts.js';
import type { Exit } from './sandbox.js';
import { runAttached } from './sandbox.js';
import { BUSYBOX_PATH, chooseShell, findBusybox, showBusybox } from './shell-program.js';
import type { Prepared } from './step-container.js';
import { describeContainer, devicesOf } from './step-container.js';

/** Where the files are as they were before the step. */
const EARLIER_PATH = '/.wiac/before';

/** A step that is on its way. */
export interface StepRun {
  readonly machine: LocalMachine;
  readonly draft: Draft;
  readonly step: RunStep;
  /** The layers below it, topmost first. */
  readonly stack: Stack;
  readonly prepared: Prepared;
  readonly io: ExecutionIo;
}

/** The files of a shell's container. */
interface ShellFiles {
  /** Directory for what is its own. */
  readonly path: string;
  /** Its upper directory. */
  readonly diff: string;
  readonly stack: Stack;
}

/** Before the step: changes go to a directory that the step does not see. */
function filesBefore({ stack }: StepRun, path: string): ShellFiles {
  const diff = join(path, 'diff');
  mkdirSync(diff);
  inheritRoot(diff, stack);
  return { path, diff, stack };
}

/** As the step left them. They are not kept, so they may be changed. */
async function filesAfter({ draft, stack }: StepRun, path: string): Promise<ShellFiles> {
  const { diff } = draft;
  const made = { path: diff, opaque: new Set(await opaqueDirectories(diff)) };
  return { path, diff, stack: [made, ...stack] };
}

/** Nothing can be mounted where it was mounted `volatile`: a work directory is for one container. */
function renewWork(views: readonly View[], path: string, keepsFiles: boolean): View[] {
  return views.map(({ root, overlay }, index) => {
    if (!overlay.upper) return { root, overlay };
    const work = join(path, `work${index}`);
    const upper = join(path, `upper${index}`);
    for (const directory of [work, upper]) mkdirSync(directory);
    const directory = keepsFiles ? overlay.upper.directory : upper;
    return { root, overlay: { ...overlay, upper: { directory, work } } };
  });
}

/** The step's mounts, and where what is written to them is thrown away: in caches as well. */
function shellMounts(
  { mounts }: Prepared,
  path: string,
  added: readonly MountRequest[],
  keepsFiles: boolean,
): PreparedMounts {
  const views = renewWork(mounts.views, path, keepsFiles);
  const place = { scratch: path, views };
  const requests = mounts.requests.map((request): MountRequest => {
    const { source, readOnly } = request;
    if (readOnly || !mounts.caches.includes(source)) return request;
    const { root } = addView(place, [source], false);
    const upper = views.at(-1)?.overlay.upper?.directory;
    if (upper !== undefined) inheritRoot(upper, [{ path: source, opaque: new Set() }]);
    return { ...request, source: root };
  });
  return { ...mounts, views, requests: [...requests, ...added] };
}

/** The layers of the step, to be read. */
function showEarlier({ stack }: StepRun, path: string): { view: View; request: MountRequest } {
  const root = join(path, 'before');
  // Without an upper directory overlayfs wants two lower ones.
  const empty = ['empty1', 'empty2'].map((name) => join(path, name));
  for (const directory of [root, ...empty]) mkdirSync(directory);
  const lower = [...stack.map((layer) => layer.path), ...empty];
  const overlay = describeOverlay(lower, undefined, false);
  const place = { path: EARLIER_PATH, kind: 'directory', readOnly: true, optional: true } as const;
  return { view: { root, overlay }, request: { source: root, ...place } };
}

function describe(
  run: StepRun,
  files: ShellFiles,
  moment: ShellMoment,
  groups: Prepared['groups'],
): Container {
  const { machine, step, stack, prepared } = run;
  const failed = moment.kind === 'failed';
  const earlier = failed ? showEarlier(run, files.path) : undefined;
  const added = [...(earlier ? [earlier.request] : []), ...showBusybox()];
  const mounts = shellMounts(prepared, files.path, added, failed);
  const views = earlier ? [...mounts.views, earlier.view] : mounts.views;
  const lower = stack.map(({ path }) => path);
  return describeContainer(machine, files, step, files.stack, lower, {
    ...prepared,
    mounts: { ...mounts, views },
    groups,
  });
}

/** A container for one shell, with directories of its own. */
interface ShellContainer {
  readonly stack: Stack;
  /** Does it show the files from before the step? */
  readonly showsEarlier: boolean;
  readonly start: (argv: readonly string[]) => Promise<Exit>;
  readonly close: () => Promise<void>;
}

/** @throws IsolationError when no container can be made */
async function shellContainer(
  run: StepRun,
  { term }: StepShells,
  moment: ShellMoment,
): Promise<ShellContainer> {
  const { machine, draft, io, step } = run;
  const path = mkdtempSync(join(draft.path, 'shell-'));
  const files = await (moment.kind === 'before' ? filesBefore(run, path) : filesAfter(run, path));
  const groups = machine.groups.take(devicesOf(machine, step));
  try {
    await machine.containers.vacate(groups);
    const described = describe(run, files, moment, groups);
    mkdirSync(described.pts);
    const env = [...described.env, ...(term === undefined ? [] : [['TERM', term] as const])];
    const container = { ...described, env: [...new Map(env)], terminal: true };
    return {
      stack: files.stack,
      showsEarlier: described.binds.some(({ target }) => target === EARLIER_PATH),
      start: (argv) => runAttached({ ...container, argv }, io.signal, 'stderr'),
      close: groups.remove,
    };
  } catch (error) {
    await groups.remove();
    throw error;
  }
}

/** Runs one shell in a container. @throws IsolationError when none can be made */
async function inContainer<T>(
  run: StepRun,
  shells: StepShells,
  moment: ShellMoment,
  action: (container: ShellContainer) => Promise<T>,
): Promise<T> {
  const container = await shellContainer(run, shells, moment);
  try {
    return await action(container);
  } finally {
    await container.close();
  }
}

/** @throws IsolationError when there is no shell, or no container can be made */
async function openShell(run: StepRun, shells: StepShells, moment: ShellMoment): Promise<void> {
  await inContainer(run, shells, moment, async ({ stack, showsEarlier, start }) => {
    const program = chooseShell(stack, shells.program);
    const open = async (): Promise<number> => {
      let exit = await start(program);
      // The image's own lacks its libraries, or is for another machine.
      const isOwn = program[0] !== BUSYBOX_PATH;
      if (exit.startError !== undefined && isOwn && findBusybox() !== undefined)
        exit = await inContainer(run, shells, moment, (other) => other.start([BUSYBOX_PATH, 'sh']));
      run.io.signal.throwIfAborted();
      if (exit.startError !== undefined)
        throw new IsolationError(`the shell could not be started: ${exit.startError}`);
      return exit.code;
    };
    const earlier = showsEarlier ? EARLIER_PATH : undefined;
    await shells.attend({ moment, program: program.join(' '), earlier, open });
  });
}

/**
 * Opens a shell before the step runs.
 * @throws StepFailedError when the step shall not run; IsolationError when no shell can be opened
 */
export async function shellBefore(run: StepRun, shells: StepShells): Promise<void> {
  await openShell(run, shells, { kind: 'before' });
}

/** Opens a shell after the step has failed. What goes wrong with it is told: why the step failed counts. */
export async function shellAfter(run: StepRun, shells: StepShells, message: string): Promise<void> {
  try {
    await openShell(run, shells, { kind: 'failed', message });
  } catch (error) {
    run.io.signal.throwIfAborted();
    if (!(error instanceof WiacError)) throw error;
    shells.giveUp(error.hint === undefined ? error.message : `${error.message} (${error.hint})`);
  }
}
