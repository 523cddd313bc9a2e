/** Carries out RUN: an overlay over the layers below, a container in it, its upper directory. */

import { mkdirSync, statfsSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Draft } from '../cache/layer-store.js';
import type { LayerId } from '../cache/records.js';
import { checkpoint } from '../checkpoint.js';
import { DockerfileError, StepFailedError, UnsupportedError } from '../errors.js';
import { canRun } from '../exec/binfmt.js';
import { ALL_CAPABILITIES } from '../exec/capabilities.js';
import type { ControlGroups } from '../exec/cgroup.js';
import { makeControlGroups } from '../exec/cgroup.js';
import type { Container, Restrictions } from '../exec/container.js';
import { DEFAULT_RESTRICTIONS } from '../exec/container.js';
import { hostDevices } from '../exec/devices.js';
import { memoryKillMessage } from '../exec/limits.js';
import { inUserNamespace, overlayOptions } from '../exec/overlay.js';
import type { MountRequest } from '../exec/rootfs.js';
import { inheritRoot, networkFiles, prepareRootfs } from '../exec/rootfs.js';
import type { Exit } from '../exec/sandbox.js';
import { runContainer } from '../exec/sandbox.js';
import { DEFAULT_PATH } from '../image/config.js';
import type { TreeMeasures } from '../layers/disk-usage.js';
import { measureLayer } from '../layers/reserved-names.js';
import type { Stack } from '../layers/stack.js';
import type { Identity } from '../layers/users.js';
import { resolveIdentity } from '../layers/users.js';
import type { Explanation } from '../libs/explain-missing.js';
import { explainMissing, nameLayers } from '../libs/explain-missing.js';
import { parsePlatform } from '../oci/platform.js';
import { SCRIPT_PATH } from '../plan/run-step.js';
import type { RunStep } from '../plan/step.js';
import { lineSplitter } from './line-splitter.js';
import type { StepState } from './lookup.js';
import type { PreparedMounts } from './run-mounts.js';
import { prepareMounts } from './run-mounts.js';
import type { BuildSession } from './session.js';
import { stackOf } from './session.js';

/** How many lines of a failed step's output its error shows. */
const LAST_LINES = 20;

/** Same name on every machine, so that a step that records it gives the same files. */
const HOSTNAME = 'wiac';

function environment(
  step: RunStep,
  home: string,
  fromMounts: PreparedMounts['env'],
): [string, string][] {
  const base: [string, string][] = [
    ['PATH', DEFAULT_PATH],
    ['HOME', home],
  ];
  return [...new Map([...base, ...step.hiddenEnv, ...step.env, ...fromMounts])];
}

function fileMounts(
  scratch: string,
  step: RunStep,
  isolation: BuildSession['isolation'],
): MountRequest[] {
  const network = step.network === 'none' ? 'none' : 'host';
  const name = isolation === 'chroot' ? hostname() : HOSTNAME;
  const { extraHosts, resolver, noHosts } = step.resources;
  const names = { network, extraHosts, hostname: name, resolver, noHosts } as const;
  const mounts = networkFiles(scratch, names);
  if (step.script === undefined) return mounts;
  const source = join(scratch, 'script');
  writeFileSync(source, step.script, { mode: 0o755 });
  const script = {
    source,
    path: SCRIPT_PATH,
    kind: 'file',
    readOnly: true,
    optional: false,
  } as const;
  return [...mounts, script];
}

/** What a step may do in its container. */
function restrictionsOf(
  { resources, security }: RunStep,
  isolation: BuildSession['isolation'],
): Restrictions {
  const { add, drop } = resources.capabilities ?? { add: [], drop: [] };
  const everywhere = drop.length > 0;
  const all = security === 'insecure' || isolation === 'chroot';
  const usual = all ? ALL_CAPABILITIES : [...DEFAULT_RESTRICTIONS.capabilities, ...add];
  const capabilities = usual.filter((number) => !drop.includes(number));
  return { ...DEFAULT_RESTRICTIONS, capabilities, everywhere };
}

/** Less than this is as good as nothing: file systems keep some blocks back. */
const NO_ROOM_BYTES = 1 << 20;

/** Said of a step that failed on a full disk: its program may not have told, or been asked. */
function hintAboutSpace(path: string): string | undefined {
  const { bavail, bsize, files, ffree } = statfsSync(path);
  if (bavail * bsize >= NO_ROOM_BYTES && (files === 0 || ffree > 0)) return undefined;
  return `the file system of the store is full (${path}): free some space (wiac cache prune), or set WIAC_ROOT`;
}

/** What the step's program, or one that its shell was to start, lacks in the layers. */
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

/** What is known of why a step failed, besides its exit code. */
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
  const hint = hintAboutSpace(draft.path) ?? reason?.hint;
  return new StepFailedError(message, step.location, exit.code, lastLines, hint);
}

function identityOf(stack: Stack, step: RunStep): Identity {
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

/** Describes the step's container; its directories are made in the draft. */
function describeContainer(
  session: BuildSession,
  draft: Draft,
  step: RunStep,
  stack: Stack,
  mounts: PreparedMounts,
  cgroups: readonly string[],
): Container {
  const requests = [...fileMounts(draft.path, step, session.isolation), ...mounts.requests];
  const tmpfsTargets = mounts.tmpfs.map(({ target }) => target);
  const lower = stack.map(({ path }) => path);
  const { isolation } = session;
  const rootfs = prepareRootfs(stack, lower, draft.path, requests, tmpfsTargets, isolation);
  const insecure = step.security === 'insecure';
  const work = join(draft.path, 'work');
  mkdirSync(work);
  const identity = identityOf(stack, step);
  return {
    isolation,
    overlay: overlayOptions({ lower: rootfs.lower, upper: draft.diff, work }, draft.path, true),
    root: rootfs.root,
    views: mounts.views,
    memory: mounts.memory,
    binds: rootfs.binds,
    tmpfs: mounts.tmpfs.map((fs, index) => ({ ...fs, ...rootfs.places[index] })),
    network: step.network === 'none' ? 'none' : 'host',
    insecure,
    devices: insecure && isolation === 'namespaces' ? hostDevices() : [],
    restrictions: restrictionsOf(step, isolation),
    cgroups,
    hostname: HOSTNAME,
    terminal: false,
    pts: join(draft.path, 'pts'),
    shmSize: step.resources.shmSize,
    limits: step.resources.ulimits,
    mayMountSysfs: !inUserNamespace(),
    user: identity,
    workdir: step.workdir,
    env: environment(step, identity.home, mounts.env),
    argv: step.argv,
  };
}

/** A step gets what the build may use at most, as with docker build. @throws IsolationError */
function controlGroups({ limits }: BuildSession, mounts: PreparedMounts): ControlGroups {
  try {
    return makeControlGroups(limits);
  } catch (error) {
    mounts.close();
    throw error;
  }
}

/** Runs the step's program with the draft's directory as the upper directory. */
export async function executeRun(
  session: BuildSession,
  draft: Draft,
  step: RunStep,
  base: readonly LayerId[],
  reads: readonly StepState[],
): Promise<TreeMeasures> {
  requirePlatform(step);
  const stack = await stackOf(session, base);
  inheritRoot(draft.diff, stack);
  const mounts = await prepareMounts(session, step, reads, draft.path);
  const groups = controlGroups(session, mounts);
  try {
    const container = describeContainer(session, draft, step, stack, mounts, groups.members);
    const lines = lineSplitter(LAST_LINES, (text) =>
      session.emit({ type: 'output', step: step.id, text }),
    );
    checkpoint('run:prepared');
    const exit = await runContainer(container, lines.push, session.signal);
    checkpoint('run:ended');
    lines.end();
    if (session.signal.aborted) throw session.signal.reason;
    if (exit.code !== 0) {
      const kills = groups.memoryKills();
      const reason =
        kills > 0
          ? { message: memoryKillMessage(session.limits, kills) }
          : missingIn(exit, draft, stack, container);
      throw stepFailure(step, exit, lines.last(), draft, reason);
    }
  } finally {
    mounts.close();
    await groups.remove();
  }
  return measureLayer(draft.diff, step.location);
}
