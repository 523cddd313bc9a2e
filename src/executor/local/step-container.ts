/** The containers of a RUN step: the one that its program runs in, and those of shells beside it. */
import { writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { shuffledNames } from '../../fs/layer/shuffled-names.js';
import type { Stack } from '../../fs/layer/stack.js';
import type { Identity } from '../../fs/layer/users.js';
import { resolveIdentity } from '../../fs/layer/users.js';
import { DEFAULT_PATH } from '../../oci/image-config.js';
import { SCRIPT_PATH } from '../../plan/run-step.js';
import type { RunStep } from '../../plan/step.js';
import { ContextError, DockerfileError } from '../../util/errors.js';
import { inUserNamespace, maySetGroups } from '../../util/user-namespace.js';
import { ALL_CAPABILITIES } from './capabilities.js';
import type { ControlGroups } from './cgroup.js';
import type { Container, Isolation, MountPlace, Restrictions } from './container.js';
import { DEFAULT_RESTRICTIONS, STEP_HOSTNAME } from './container.js';
import { hostDevices } from './devices.js';
import { workDirectory } from './draft-pool.js';
import type { Devices } from './group-pool.js';
import type { LocalMachine } from './local-machine.js';
import { maskedPaths } from './masked-paths.js';
import { describeOverlay } from './overlay.js';
import type { PlainNetwork, PrivateNetwork } from './private-network.js';
import { containerNetwork } from './private-network.js';
import { requireIdentity } from './require-owner.js';
import type { NetworkMode, ShownFiles } from './rootfs.js';
import { networkFiles, prepareRootfs } from './rootfs.js';
import type { PreparedMounts } from './run-mounts.js';
import type { OrderedNames } from './variation.js';
import { MOST_NAMES } from './variation.js';

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
  // A program sees the order as well (environ(7)): it is that of the step's key, not that of the Dockerfile.
  const sorted = [...step.env].sort(([a], [b]) => (a < b ? -1 : 1));
  // A proxy that was given is over ENV, as with BuildKit: one that an image names may be gone.
  return [...new Map([...base, ...sorted, ...step.hiddenEnv, ...fromMounts])];
}

/** The network that a step gets on this machine. */
export function networkMode({ network: usual }: LocalMachine, { network }: RunStep): NetworkMode {
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

function getIdentity(stack: Stack, step: RunStep): Identity {
  const identity = resolveIdentity(stack, step.user);
  if (!('unknown' in identity)) return identity;
  throw new DockerfileError(identity.unknown, step.location, {
    hint: 'add the user in a RUN before USER, or use numbers',
  });
}

/** Names for directories that are to be listed in another order; undefined where they are too many. */
function orderedNames({ variation, places }: LocalMachine, stack: Stack): OrderedNames | undefined {
  const paths = variation?.order ? shuffledNames(stack, MOST_NAMES) : undefined;
  return paths && { directory: places.names(), paths };
}

/** What ends with a container, besides its processes. */
export interface Prepared {
  readonly mounts: PreparedMounts;
  readonly groups: ControlGroups;
  readonly network: PrivateNetwork | PlainNetwork;
}

/** Where a container of the step writes. */
export interface WrittenPlace {
  /** For what is the container's own; on the file system of the layers. */
  readonly path: string;
  /** Its upper directory. */
  readonly diff: string;
}

/** A step begins with /dev/null as its input. @throws ContextError for a mount that hides it */
function requireDevices(mounts: readonly MountPlace[], { location }: RunStep): void {
  if (!mounts.some(({ target }) => target === '/dev')) return;
  throw new ContextError(
    'nothing can be mounted at /dev: it has the devices of the step',
    location,
    {
      hint: 'mount at a directory in it, or elsewhere',
    },
  );
}

/**
 * Describes a container of the step.
 * @param stack its layers, the upper directory included if it holds anything
 * @param lower directories of the layers below that
 */
export function describeContainer(
  machine: LocalMachine,
  { path, diff }: WrittenPlace,
  step: RunStep,
  stack: Stack,
  lower: readonly string[],
  { mounts, groups, network }: Prepared,
): Container {
  const { isolation, places, variation } = machine;
  const mode = networkMode(machine, step);
  const own = ownFiles(machine, path, step, mode, network.nameserver);
  const requests = [...own.requests, ...mounts.requests];
  const tmpfsTargets = mounts.tmpfs.map(({ target }) => target);
  const rootfs = prepareRootfs(stack, lower, path, requests, tmpfsTargets, isolation, places);
  requireDevices([...rootfs.binds, ...rootfs.places], step);
  const insecure = step.security === 'insecure';
  const work = workDirectory(path);
  const identity = getIdentity(stack, step);
  requireIdentity(identity, 'USER', step.location);
  return {
    isolation,
    runtime: machine.runtime,
    runtimeLog: join(path, 'runtime.log'),
    overlay: describeOverlay(rootfs.lower, { directory: diff, work }, true),
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
    shownGroups: groups.shown,
    hostname: variation?.hostname ?? STEP_HOSTNAME,
    terminal: false,
    pts: join(path, 'pts'),
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

export function devicesOf({ isolation }: LocalMachine, { security }: RunStep): Devices {
  return security === 'insecure' || isolation === 'chroot' ? 'all' : 'usual';
}
