/** Carries out RUN: an overlay over the layers below, a container in it, its upper directory. */

import type { TreeMeasures } from '../../fs/layer/disk-usage.js';
import { measureLayer } from '../../fs/layer/reserved-names.js';
import type { Stack } from '../../fs/layer/stack.js';
import type { LayerMarks } from '../../fs/scan/tree-xattrs.js';
import { located } from '../../fs/scan/unreadable.js';
import type { Explanation } from '../../libs/explain-missing.js';
import type { RunStep } from '../../plan/step.js';
import { chainedStack } from '../../store/layers/layer-stack.js';
import type { Draft } from '../../store/layers/layer-store.js';
import type { LayerId } from '../../store/records.js';
import { checkpoint } from '../../util/checkpoint.js';
import { hasNoRoom, takesNoWrites } from '../../util/disk-room.js';
import { StepFailedError } from '../../util/errors.js';
import type { ExecutionIo } from '../executor.js';
import type { ControlGroups } from './cgroup.js';
import type { Container } from './container.js';
import { foreignFailure, requirePlatform } from './foreign-platform.js';
import { lineSplitter } from './line-splitter.js';
import type { LocalMachine } from './local-machine.js';
import { openNetwork } from './private-network.js';
import { hintAboutUsers } from './require-owner.js';
import { watchResources } from './resource-ends.js';
import { inheritRoot } from './rootfs.js';
import type { PreparedMounts } from './run-mounts.js';
import { prepareMounts } from './run-mounts.js';
import type { CapturedExit, Exit } from './sandbox.js';
import { runCaptured } from './sandbox.js';
import type { Prepared } from './step-container.js';
import { describeContainer, devicesOf, networkMode } from './step-container.js';
import { shellAfter, shellBefore } from './step-shell.js';

/** How many lines of a failed step's output its error shows. */
const LAST_LINES = 20;

/** Said of a step that failed on a full disk, or on a broken one: its program may not have told, or been asked. */
function hintAboutDisk(path: string): string | undefined {
  if (takesNoWrites(path))
    return `the file system of the store takes no writes (${path}): a disk with errors becomes read-only (dmesg)`;
  if (!hasNoRoom(path)) return undefined;
  return `the file system of the store is full (${path}): free some space (wiac cache prune), or set WIAC_ROOT`;
}

/** RLIMIT_NOFILE of asm-generic/resource.h. */
const OPEN_FILES = 7;
/** A shell keeps what it redirects as 10 and above, and says nothing when it can't. */
const SHELL_FILES = 12;

/** Said of a step that failed with hardly any files: its shell may not have told. */
function hintAboutFiles({ ulimits }: Pick<RunStep['resources'], 'ulimits'>): string | undefined {
  const limit = ulimits.find(({ resource }) => resource === OPEN_FILES);
  if (!limit || limit.soft < 0 || limit.soft >= SHELL_FILES) return undefined;
  return `--ulimit nofile=${limit.soft} may be why: a shell needs ${SHELL_FILES} open files or more`;
}

/** Files missing in the layers that the step's program, or a program its shell started, needs. */
async function missingIn(
  exit: Exit,
  draft: Draft,
  stack: Stack,
  { argv, env, workdir, binds, tmpfs }: Container,
): Promise<Explanation | undefined> {
  const { explainMissing, nameLayers } = await import('../../libs/explain-missing.js');
  // What the step has made counts; directories that it made opaque only hide things.
  const all = [{ path: draft.diff, opaque: new Set<string>() }, ...stack];
  const layers = nameLayers(stack.map(({ path }) => path));
  const mounts = [...binds, ...tmpfs].map(({ target }) => target);
  return explainMissing({ ...exit, stack: all, argv, env: new Map(env), workdir, mounts, layers });
}

/** Causes of a step's failure besides its exit code. */
interface Reason {
  readonly message: string;
  readonly hint?: string;
}

function stepFailure(
  step: RunStep,
  exit: Exit,
  lastLines: readonly string[],
  draft: Draft,
  reason: Reason | undefined,
): StepFailedError {
  const ended =
    exit.startError === undefined
      ? `the step ended with exit code ${exit.code}`
      : `the step could not be started: ${exit.startError}`;
  const message = reason ? `${ended}; ${reason.message}` : ended;
  const bad = hintAboutDisk(draft.path);
  const { ulimits, users } = step.resources;
  const hint =
    bad ?? reason?.hint ?? hintAboutFiles({ ulimits }) ?? hintAboutUsers(lastLines, users);
  const { location } = step;
  return new StepFailedError(message, location, exit.code, lastLines, hint, bad !== undefined);
}

/** Somebody outside of the container could change the layer after it was digested. */
function refuseHeld({ isHeld }: CapturedExit): Reason | undefined {
  if (!isHeld) return undefined;
  return {
    message: 'its files may still be changed from outside of its container',
    hint: 'a process there, as of another step, got a file from it that is open for writing, or a loop device has one: have it closed before the step ends',
  };
}

/** May its program mount file systems, and so reach its own control groups? */
function mayMount({ security, resources: { capabilities } }: RunStep): boolean {
  return security === 'insecure' || (capabilities?.add.length ?? 0) > 0;
}

function inGroups(
  container: Container,
  { members, deviceFilter, shown }: ControlGroups,
): Container {
  return { ...container, cgroups: members, deviceFilter, shownGroups: shown };
}

/**
 * Makes what a step needs besides its files. It gets what the build may use at most, as with docker build.
 * @throws IsolationError
 */
async function prepare(
  machine: LocalMachine,
  step: RunStep,
  mounts: PreparedMounts,
): Promise<Prepared> {
  const undo = [mounts.close];
  try {
    const network = await openNetwork(networkMode(machine, step));
    undo.push(network.close);
    return { mounts, network, groups: machine.groups.take(devicesOf(machine, step)) };
  } catch (error) {
    for (const close of undo) close();
    throw error;
  }
}

/**
 * Runs the step's program with the draft's directory as the upper directory.
 * @param base the step's layers, bottom first
 * @param reads those of the steps that its mounts show
 * @throws StepFailedError when the program fails
 */
export async function executeRun(
  machine: LocalMachine,
  draft: Draft,
  step: RunStep,
  base: readonly LayerId[],
  reads: readonly (readonly LayerId[])[],
  io: ExecutionIo,
): Promise<TreeMeasures & LayerMarks> {
  requirePlatform(step);
  const stack = await chainedStack(machine.store, base, machine.stacks, machine.scanStore.readTree);
  inheritRoot(draft.diff, stack);
  const mounts = await prepareMounts(machine, step, reads, draft.path, io);
  const prepared = await prepare(machine, step, mounts);
  const { groups, network } = prepared;
  const run = { machine, draft, step, stack, prepared, io };
  let survey: Buffer | undefined;
  try {
    if (io.shells?.before) await shellBefore(run, io.shells);
    const lower = stack.map(({ path }) => path);
    const described = describeContainer(machine, draft, step, stack, lower, prepared);
    const overlay = await machine.deep.shorten(described.overlay);
    const container = { ...described, overlay };
    const lines = lineSplitter(LAST_LINES, { onLine: io.output, onUnfinished: io.unfinished });
    checkpoint('run:prepared');
    const watch = watchResources(groups, machine.limits);
    const signal = AbortSignal.any([io.signal, watch.signal]);
    const running = runCaptured(machine.containers, container, lines.push, signal).finally(
      watch.stop,
    );
    // The container has begun; the step behind it may follow soon.
    const next = setImmediate(() => {
      machine.drafts.prepare();
      const own = machine.groups.prepare(devicesOf(machine, step));
      if (own && machine.expectsRun()) machine.containers.prepare(inGroups(container, own));
    });
    const exit = await running.finally(() => clearImmediate(next));
    checkpoint('run:ended');
    survey = exit.survey;
    lines.end();
    if (io.signal.aborted) throw io.signal.reason;
    // A step that was refused processes has not made all that it was to make, whatever it says.
    const reason = watch.reason(exit.code) ?? refuseHeld(exit);
    if (exit.code !== 0 || reason) {
      const foreign = foreignFailure(step, exit.startError);
      const cause = reason ?? (await missingIn(exit, draft, stack, container)) ?? foreign;
      const failure = stepFailure(step, exit, lines.last(), draft, cause);
      if (io.shells) await shellAfter(run, io.shells, failure.message);
      throw failure;
    }
  } catch (error) {
    throw located(error, step.location);
  } finally {
    mounts.close();
    network.close();
    machine.groups.giveBack(groups, devicesOf(machine, step), mayMount(step));
  }
  return measureLayer(draft.diff, step.location, survey);
}
