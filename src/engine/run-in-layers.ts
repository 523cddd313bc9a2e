/** Runs a program in layers: what `wiac run` and programs call. */
import { resolve } from 'node:path';
import { makeControlGroups, sweepControlGroups } from '../executor/local/cgroup.js';
import type { ControlLimits } from '../executor/local/cgroup-limits.js';
import type { Isolation } from '../executor/local/container.js';
import { DEFAULT_RESTRICTIONS } from '../executor/local/container.js';
import { deviceRules } from '../executor/local/device-rules.js';
import { getParts, openContainerLayer } from '../executor/local/layer-directory.js';
import { parseLowerdirs } from '../executor/local/overlay.js';
import type { NetworkMode } from '../executor/local/rootfs.js';
import type { ProgramExit, ProgramRequest } from '../executor/local/run-program.js';
import { runProgram } from '../executor/local/run-program.js';
import { DEFAULT_PATH } from '../oci/image-config.js';
import { DEFAULT_SHM_BYTES } from '../plan/plan.js';
import { temporaryDirectory } from '../store/paths.js';
import { UsageError } from '../util/errors.js';
import { openRunDirectory } from './run-directory.js';
import { asRunError } from './run-directory-error.js';

/** A program, and the layers that it runs in. */
export interface LayersRun
  extends Omit<ProgramRequest, 'upper' | 'work' | 'scratch' | 'controlGroups'> {
  /** A container layer: the program's changes are in its `diff` afterwards. Without it they are lost. */
  readonly layer: string | undefined;
  /** Where everything short-lived goes. */
  readonly temporary: string;
  readonly control: ControlLimits;
}

/** How it ended. */
export interface RunOutcome extends ProgramExit {
  /** How many of its processes the kernel ended for want of memory. */
  readonly memoryKills: number;
  /** How many it did not start because the limit of processes was reached, and that limit. */
  readonly refusedProcesses: number;
  readonly maxProcesses: number | undefined;
}

async function runWithin(request: LayersRun, scratch: string): Promise<RunOutcome> {
  const layer = request.layer
    ? openContainerLayer(request.layer, request.lower)
    : { ...getParts(scratch), close: () => {} };
  const { control, privileged, isolation, devices, runtime } = request;
  const all = privileged || isolation === 'chroot';
  const rules = all ? undefined : deviceRules(devices);
  const groups = makeControlGroups({ limits: control, devices: rules, runtime });
  try {
    const { diff: upper, work } = layer;
    const exit = await runProgram({ ...request, upper, work, scratch, controlGroups: groups });
    request.signal?.throwIfAborted();
    const { maxProcesses } = groups;
    const counts = {
      memoryKills: groups.memoryKills(),
      refusedProcesses: groups.refusedProcesses(),
    };
    return { ...exit, ...counts, maxProcesses };
  } finally {
    await groups.remove();
    layer.close();
  }
}

/**
 * Runs a program with this process's standard streams.
 * @throws UsageError for an unknown user, IsolationError when the kernel refuses; the signal's reason
 */
export async function runInLayers(request: LayersRun): Promise<RunOutcome> {
  request.signal?.throwIfAborted();
  sweepControlGroups();
  const scratch = await openRunDirectory(request.temporary);
  try {
    return await runWithin(request, scratch.path);
  } catch (error) {
    throw asRunError(error, scratch.path);
  } finally {
    scratch.remove();
  }
}

/** A program for `run`. Everything that has a default may be left out. */
export interface ProgramRun {
  /** Layer directories, topmost first, as a build gives them. */
  readonly lowerdirs: string;
  readonly argv: readonly string[];
  /** A container layer that keeps what the program changes, in its `diff`; nothing does by default. */
  readonly layer?: string | undefined;
  /** Environment of the program; PATH has Docker's default. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** `user[:group]`, names or numbers; root by default. */
  readonly user?: string | undefined;
  /** Absolute path, made where it is missing; `/` by default. */
  readonly workdir?: string | undefined;
  readonly network?: NetworkMode | undefined;
  readonly hostname?: string | undefined;
  /** The root file system can't be written to. */
  readonly readOnly?: boolean | undefined;
  readonly isolation?: Isolation | undefined;
  /** Path of an OCI runtime with runc's command line, which makes the container. */
  readonly runtime?: string | undefined;
  /** What it may use of this machine. */
  readonly limits?: ControlLimits | undefined;
  /** Ends the program, with all processes of its container; `run` throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs a program in layers, with this process's standard streams.
 * @throws UsageError for no layers, no program, or an unknown user; IsolationError when the kernel
 *   refuses; the signal's reason
 */
export async function run(request: ProgramRun): Promise<RunOutcome> {
  const { network = 'host', hostname = 'wiac', isolation = 'namespaces' } = request;
  const lower = parseLowerdirs(request.lowerdirs).map((path) => resolve(path));
  if (lower.length === 0) throw new UsageError('lowerdirs is empty: did the build fail?');
  if (request.argv.length === 0) throw new UsageError('argv is empty: there is no program to run');
  return runInLayers({
    lower,
    layer: request.layer,
    temporary: temporaryDirectory(),
    isolation,
    runtime: request.runtime,
    names: { network, extraHosts: [], hostname },
    user: request.user ?? '',
    groups: [],
    workdir: request.workdir ?? '/',
    env: Object.entries({ PATH: DEFAULT_PATH, ...request.env }),
    argv: request.argv,
    binds: [],
    tmpfs: [],
    terminal: false,
    privileged: false,
    devices: [],
    restrictions: { ...DEFAULT_RESTRICTIONS, readOnly: request.readOnly ?? false },
    shmSize: DEFAULT_SHM_BYTES,
    limits: [],
    control: request.limits ?? {},
    signal: request.signal,
  });
}
