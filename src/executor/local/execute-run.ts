/** Carries out RUN: an overlay over the layers below, a container in it, its upper directory. */

import { mkdirSync, statfsSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { TreeMeasures } from '../../fs/layer/disk-usage.js';
import { measureLayer } from '../../fs/layer/reserved-names.js';
import { shuffledNames } from '../../fs/layer/shuffled-names.js';
import type { Stack } from '../../fs/layer/stack.js';
import type { Identity } from '../../fs/layer/users.js';
import { resolveIdentity } from '../../fs/layer/users.js';
import type { LayerMarks } from '../../fs/scan/tree-xattrs.js';
import type { Explanation } from '../../libs/explain-missing.js';
import { explainMissing, nameLayers } from '../../libs/explain-missing.js';
import { DEFAULT_PATH } from '../../oci/image-config.js';
import { parsePlatform } from '../../oci/platform.js';
import { SCRIPT_PATH } from '../../plan/run-step.js';
import type { RunStep } from '../../plan/step.js';
import { chainedStack } from '../../store/layers/layer-stack.js';
import type { Draft } from '../../store/layers/layer-store.js';
import type { LayerId } from '../../store/records.js';
import { checkpoint } from '../../util/checkpoint.js';
import { DockerfileError, StepFailedError, UnsupportedError } from '../../util/errors.js';
import { inUserNamespace, maySetGroups } from '../../util/user-namespace.js';
import type { ExecutionIo } from '../executor.js';
import { canRun } from './binfmt.js';
import { ALL_CAPABILITIES } from './capabilities.js';
import type { ControlGroups } from './cgroup.js';
import type { Container, Isolation, Restrictions } from './container.js';
import { DEFAULT_RESTRICTIONS, STEP_HOSTNAME } from './container.js';
import { hostDevices } from './devices.js';
import type { Devices } from './group-pool.js';
import { lineSplitter } from './line-splitter.js';
import type { LocalMachine } from './local-machine.js';
import { maskedPaths } from './masked-paths.js';
import { describeOverlay } from './overlay.js';
import type { PlainNetwork, PrivateNetwork } from './private-network.js';
import { containerNetwork, openNetwork } from './private-network.js';
import { requireOwner } from './require-owner.js';
import { watchResources } from './resource-ends.js';
import type { NetworkMode, ShownFiles } from './rootfs.js';
import { inheritRoot, networkFiles, prepareRootfs } from './rootfs.js';
import type { PreparedMounts } from './run-mounts.js';
import { prepareMounts } from './run-mounts.js';
import type { Exit } from './sandbox.js';
import { runCaptured } from './sandbox.js';
import type { OrderedNames } from './variation.js';
import { MOST_NAMES } from './variation.js';

/** How many lines of a failed step's output its error shows. */
const LAST_LINES = 20;

function environment(
  step: RunStep,
  home: string,
  fromMounts: PreparedMounts['env'],
  others: Readonly<Record<string, string>> = {},
): [string, string][] {
  const base: [string, string][] = [
    ...Object.entries(others),
    ['PATH', DEFAULT_PATH],
    ['HOME', home],
  ];
  return [...new Map([...base, ...step.hiddenEnv, ...step.env, ...fromMounts])];
}

/** The network that a step gets on this machine. */
function networkMode({ network: usual }: LocalMachine, { network }: RunStep): NetworkMode {
  return network === 'default' ? usual : network;
}

/** Files of the step's own: its network's, and the script of a heredoc. */
function ownFiles(
  { places, isolation, variation }: LocalMachine,
  scratch: string,
  step: RunStep,
  network: NetworkMode,
  nameserver: string | undefined,
): ShownFiles {
  const name = isolation === 'chroot' ? hostname() : (variation?.hostname ?? STEP_HOSTNAME);
  const { extraHosts, resolver, noHosts } = step.resources;
  const names = { network, nameserver, extraHosts, hostname: name, resolver, noHosts } as const;
  const { files, requests } = networkFiles(places.memory(), names);
  if (step.script === undefined) return { files, requests };
  // Not in memory, where nothing can be executed.
  const source = join(scratch, 'script');
  writeFileSync(source, step.script, { mode: 0o755 });
  const script = {
    source,
    path: SCRIPT_PATH,
    kind: 'file',
    readOnly: true,
    optional: false,
  } as const;
  return { files, requests: [...requests, script] };
}

/** What a step may do in its container. */
function getRestrictions({ resources, security }: RunStep, isolation: Isolation): Restrictions {
  const { add, drop } = resources.capabilities ?? { add: [], drop: [] };
  const everywhere = drop.length > 0;
  const all = security === 'insecure' || isolation === 'chroot';
  const usual = all ? ALL_CAPABILITIES : [...DEFAULT_RESTRICTIONS.capabilities, ...add];
  const capabilities = usual.filter((number) => !drop.includes(number));
  return { ...DEFAULT_RESTRICTIONS, capabilities, everywhere };
}

/** With fewer free bytes the file system counts as full: some blocks are reserved. */
const NO_ROOM_BYTES = 1 << 20;

/** Said of a step that failed on a full disk: its program may not have told, or been asked. */
function hintAboutSpace(path: string): string | undefined {
  const { bavail, bsize, files, ffree } = statfsSync(path);
  if (bavail * bsize >= NO_ROOM_BYTES && (files === 0 || ffree > 0)) return undefined;
  return `the file system of the store is full (${path}): free some space (wiac cache prune), or set WIAC_ROOT`;
}

/** RLIMIT_NOFILE of asm-generic/resource.h. */
const OPEN_FILES = 7;
/** A shell keeps what it redirects as 10 and above, and says nothing when it can't. */
const SHELL_FILES = 12;

/** Said of a step that failed with hardly any files: its shell may not have told. */
function hintAboutFiles({ ulimits }: RunStep['resources']): string | undefined {
  const limit = ulimits.find(({ resource }) => resource === OPEN_FILES);
  if (!limit || limit.soft < 0 || limit.soft >= SHELL_FILES) return undefined;
  return `--ulimit nofile=${limit.soft} may be why: a shell needs ${SHELL_FILES} open files or more`;
}

/** Files missing in the layers that the step's program, or a program its shell started, needs. */
function missingIn(
  exit: Exit,
  draft: Draft,
  stack: Stack,
  { argv, env, workdir, binds, tmpfs }: Container,
): Explanation | undefined {
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
  const hint = hintAboutSpace(draft.path) ?? reason?.hint ?? hintAboutFiles(step.resources);
  return new StepFailedError(message, step.location, exit.code, lastLines, hint);
}

function getIdentity(stack: Stack, step: RunStep): Identity {
  const identity = resolveIdentity(stack, step.user);
  if (!('unknown' in identity)) return identity;
  throw new DockerfileError(identity.unknown, step.location, {
    hint: 'add the user in a RUN before USER, or use numbers',
  });
}

/** @throws UnsupportedError when this machine can't run programs of the step's platform */
function requirePlatform({ platform, location }: RunStep): void {
  if (canRun(parsePlatform(platform))) return;
  throw new UnsupportedError(`RUN: this machine can't run programs for ${platform}`, location, {
    hint: 'register an interpreter with binfmt_misc (apt-get install qemu-user-static), or cross-compile in a stage with FROM --platform=$BUILDPLATFORM',
  });
}

/** Names for directories that are to be listed in another order; undefined where they are too many. */
function orderedNames({ variation, places }: LocalMachine, stack: Stack): OrderedNames | undefined {
  const paths = variation?.order ? shuffledNames(stack, MOST_NAMES) : undefined;
  return paths && { directory: places.names(), paths };
}

/** What ends with a step, besides its processes. */
interface Prepared {
  readonly mounts: PreparedMounts;
  readonly groups: ControlGroups;
  readonly network: PrivateNetwork | PlainNetwork;
}

/** Describes the step's container; its directories are made in the draft. */
function describeContainer(
  machine: LocalMachine,
  draft: Draft,
  step: RunStep,
  stack: Stack,
  { mounts, groups, network }: Prepared,
): Container {
  const { isolation, places, variation } = machine;
  const mode = networkMode(machine, step);
  const own = ownFiles(machine, draft.path, step, mode, network.nameserver);
  const requests = [...own.requests, ...mounts.requests];
  const tmpfsTargets = mounts.tmpfs.map(({ target }) => target);
  const lower = stack.map(({ path }) => path);
  const rootfs = prepareRootfs(stack, lower, draft.path, requests, tmpfsTargets, isolation, places);
  const insecure = step.security === 'insecure';
  const work = join(draft.path, 'work');
  mkdirSync(work);
  const identity = getIdentity(stack, step);
  requireOwner(identity, 'USER', step.location);
  return {
    isolation,
    runtime: machine.runtime,
    runtimeLog: join(draft.path, 'runtime.log'),
    overlay: describeOverlay(rootfs.lower, { directory: draft.diff, work }, true),
    root: rootfs.root,
    views: mounts.views,
    memory: { directory: places.memory(), files: [...own.files, ...mounts.secrets] },
    binds: rootfs.binds,
    tmpfs: mounts.tmpfs.map((fs, index) => ({ ...fs, ...rootfs.places[index] })),
    network: containerNetwork(mode, network),
    insecure,
    masked: maskedPaths(),
    devices: insecure && isolation === 'namespaces' ? hostDevices() : [],
    restrictions: getRestrictions(step, isolation),
    cgroups: groups.members,
    deviceFilter: groups.deviceFilter,
    hostname: variation?.hostname ?? STEP_HOSTNAME,
    terminal: false,
    pts: join(draft.path, 'pts'),
    shmSize: step.resources.shmSize,
    limits: step.resources.ulimits,
    mayMountSysfs: !inUserNamespace(),
    maySetGroups: maySetGroups(),
    user: identity,
    workdir: step.workdir,
    env: environment(step, identity.home, mounts.env, variation?.env),
    argv: step.argv,
    variation,
    names: orderedNames(machine, stack),
  };
}

function devicesOf({ isolation }: LocalMachine, { security }: RunStep): Devices {
  return security === 'insecure' || isolation === 'chroot' ? 'all' : 'usual';
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
  const stack = await chainedStack(machine.store, base, machine.stacks);
  inheritRoot(draft.diff, stack);
  const mounts = await prepareMounts(machine, step, reads, draft.path, io);
  const prepared = await prepare(machine, step, mounts);
  const { groups, network } = prepared;
  let survey: Buffer | undefined;
  try {
    const described = describeContainer(machine, draft, step, stack, prepared);
    const overlay = await machine.deep.shorten(described.overlay);
    const container = { ...described, overlay };
    const lines = lineSplitter(LAST_LINES, { onLine: io.output, onUnfinished: io.unfinished });
    checkpoint('run:prepared');
    const watch = watchResources(groups, machine.limits);
    const signal = AbortSignal.any([io.signal, watch.signal]);
    const running = runCaptured(machine.sys, container, lines.push, signal).finally(watch.stop);
    // The container has begun; the step behind it may follow soon.
    const next = setImmediate(() => machine.groups.prepare(devicesOf(machine, step)));
    const exit = await running.finally(() => clearImmediate(next));
    checkpoint('run:ended');
    survey = exit.survey;
    lines.end();
    if (io.signal.aborted) throw io.signal.reason;
    const reason = watch.reason(exit.code);
    // A step that was refused processes has not made all that it was to make, whatever it says.
    if (exit.code !== 0 || reason) {
      const cause = reason ?? missingIn(exit, draft, stack, container);
      throw stepFailure(step, exit, lines.last(), draft, cause);
    }
  } finally {
    mounts.close();
    network.close();
    await groups.remove();
  }
  return measureLayer(draft.diff, step.location, survey);
}
