/**
 * What a container needs that does not depend on its files: processes, namespaces, control groups, and the file
 * systems of the kernel. It may be there before its layers are known. Pure.
 */
import { posix } from 'node:path';
import { UNIFIED_MEMBERS } from './cgroup-hierarchy.js';
import type { Container, MemoryFiles, Restrictions } from './container.js';
import { deviceOperations, STANDARD_DEVICES } from './devices.js';
import { PROTECTED } from './masked-paths.js';
import { devices, HARDENED, mount, mountIn, PTS_OPTIONS } from './mount-operations.js';
import type { Operation } from './operations.js';
import { CLONE, MS } from './operations.js';
import { containerFilter } from './seccomp.js';
import { showGroups } from './shown-groups.js';

/** The part of a container's description that decides these operations: where it is the same, they are. */
export interface EarlyContainer
  extends Pick<
    Container,
    | 'isolation'
    | 'runtime'
    | 'insecure'
    | 'network'
    | 'variation'
    | 'cgroups'
    | 'deviceFilter'
    | 'shownGroups'
    | 'hostname'
    | 'masked'
    | 'devices'
    | 'shmSize'
    | 'mayMountSysfs'
  > {
  readonly memory: Pick<MemoryFiles, 'directory'>;
  readonly restrictions: Pick<Restrictions, 'init'>;
  /** A struct sock_filter[]; undefined: every system call is allowed. */
  readonly filter: Buffer | undefined;
}

function getFilter({ isolation, insecure, restrictions }: Container): Buffer | undefined {
  const { capabilities, seccomp } = restrictions;
  if (isolation === 'chroot' || insecure || !seccomp) return undefined;
  return containerFilter(seccomp, capabilities);
}

/** Nothing else of the container is in there. */
export function earlyContainer(container: Container): EarlyContainer {
  const { isolation, runtime, insecure, network, variation, cgroups, deviceFilter } = container;
  const { hostname, masked, devices: others, shmSize, mayMountSysfs, shownGroups } = container;
  return {
    ...{ isolation, runtime, insecure, network, variation, cgroups, deviceFilter },
    ...{ hostname, masked, devices: others, shmSize, mayMountSysfs, shownGroups },
    memory: { directory: container.memory.directory },
    restrictions: { init: container.restrictions.init },
    filter: getFilter(container),
  };
}

export function namespaceFlags({
  isolation,
  network,
}: Pick<Container, 'isolation' | 'network'>): number {
  const net = network === 'none' ? CLONE.NEWNET : 0;
  // Even the article's way gets a pid namespace: what a program leaves behind ends with it.
  if (isolation === 'chroot') return CLONE.NEWNS | CLONE.NEWPID | net;
  return CLONE.NEWNS | CLONE.NEWPID | CLONE.NEWIPC | CLONE.NEWUTS | net;
}

type Processes = Pick<EarlyContainer, 'isolation' | 'restrictions' | 'runtime' | 'variation'>;

/**
 * The article's program is no process 1, which would ignore signals it sends to itself: it gets a parent
 * in the namespace, and what it leaves behind ends with that. An OCI runtime has its own.
 */
function isFirst({ isolation, restrictions, runtime, variation }: Processes): boolean {
  const other = restrictions.init || variation?.lastPid !== undefined;
  return isolation === 'namespaces' && !other && runtime === undefined;
}

/** Group of version 2 that the first process begins in, because joining one takes 7 to 16 ms. */
export function firstGroup(container: Processes & Pick<Container, 'cgroups'>): string | undefined {
  const unified = container.cgroups.find((path) => path.endsWith(`/${UNIFIED_MEMBERS}`));
  return unified !== undefined && isFirst(container) ? posix.dirname(unified) : undefined;
}

/**
 * Joins the control groups, and restricts their devices.
 * @param begun the one that the process is in already
 */
export function joinGroups(
  { cgroups, deviceFilter }: Pick<Container, 'cgroups' | 'deviceFilter'>,
  begun?: string,
): Operation[] {
  const joined = cgroups.filter((path) => posix.dirname(path) !== begun);
  return [
    ...joined.map((path): Operation => ({ op: 'join-cgroup', path })),
    ...(deviceFilter ? [{ op: 'device-filter', ...deviceFilter } as const] : []),
  ];
}

/** What the program finds changed in what the kernel gives it. */
export function varied({
  variation: { lastPid, cpus } = {},
}: Pick<Container, 'variation'>): Operation[] {
  return [
    ...(lastPid === undefined ? [] : [{ op: 'last-pid', pid: lastPid } as const]),
    ...(cpus === undefined ? [] : [{ op: 'cpus', cpus } as const]),
  ];
}

/** The processes that the program is started by, and the control groups that it alone is in. */
function processes(container: EarlyContainer): Operation[] {
  const isolated = container.isolation === 'namespaces';
  const begun = firstGroup(container);
  return [
    ...varied(container),
    ...(isFirst(container) ? [] : [{ op: 'fork' } as const]),
    ...joinGroups(container, begun),
    ...(isolated ? [{ op: 'unshare', flags: CLONE.NEWCGROUP } as const] : []),
    { op: 'session' },
  ];
}

/** Enters a network that is there already. Its path is one of /proc as it is here. */
export function joinNetwork({ network }: Pick<Container, 'network'>): Operation[] {
  return typeof network === 'object' ? [{ op: 'join-network', path: network.namespace }] : [];
}

/** Mounts the tmpfs of the files in memory. */
export function memoryMount({ memory }: Pick<EarlyContainer, 'memory'>): Operation {
  return mount('tmpfs', memory.directory, 'tmpfs', HARDENED, 'mode=700');
}

const DEVICE_LINKS = [
  ['/proc/self/fd', 'fd'],
  ['/proc/self/fd/0', 'stdin'],
  ['/proc/self/fd/1', 'stdout'],
  ['/proc/self/fd/2', 'stderr'],
  ['pts/ptmx', 'ptmx'],
] as const;

/** /dev as the OCI runtime-spec wants it: a few devices, nothing of this machine's hardware. */
function ownDev(container: EarlyContainer, root: string, pts: string | undefined): Operation[] {
  const { shmSize, insecure } = container;
  return [
    mountIn(root, 'tmpfs', '/dev', 'tmpfs', MS.NOSUID, 'mode=755,size=64k'),
    // Only this process can change anything below: plain names are safe.
    { op: 'chdir-in', root, path: '/dev' },
    ...deviceOperations(STANDARD_DEVICES, true),
    ...deviceOperations(container.devices, !insecure),
    ...DEVICE_LINKS.map(([target, path]): Operation => ({ op: 'symlink', target, path })),
    { op: 'mkdir', path: 'pts', mode: '755' },
    pts === undefined
      ? mount('devpts', 'pts', 'devpts', MS.NOSUID | MS.NOEXEC, PTS_OPTIONS)
      : mount(pts, 'pts', '', MS.MOVE),
    { op: 'mkdir', path: 'shm', mode: '1777' },
    mount('shm', 'shm', 'tmpfs', HARDENED, `mode=1777,size=${shmSize}`),
    { op: 'mkdir', path: 'mqueue', mode: '755' },
    mount('mqueue', 'mqueue', 'mqueue', HARDENED),
    // Each device above is a mount of its own, which this leaves alone.
    { op: 'restrict', path: '.', attributes: devices(container) },
    { op: 'chdir', path: '/' },
  ];
}

/** To be read, unless all is allowed. */
const sysAttributes = ({ insecure }: Pick<Container, 'insecure'>): number =>
  HARDENED | (insecure ? 0 : MS.RDONLY);

/** This machine's /sys, with the control groups below it. */
export function sharedSys(container: Pick<Container, 'insecure'>, root: string): Operation {
  const attributes = sysAttributes(container);
  return { op: 'bind-in', root, source: '/sys', path: '/sys', attributes };
}

function ownSys(container: EarlyContainer, root: string): Operation {
  const { mayMountSysfs, network } = container;
  const attributes = sysAttributes(container);
  if (mayMountSysfs) return mountIn(root, 'sysfs', '/sys', 'sysfs', attributes);
  // It would tell of the interfaces of this machine.
  if (network !== 'host') return { op: 'sysfs-in', root, path: '/sys', attributes };
  return sharedSys(container, root);
}

function kernelFileSystems(
  container: EarlyContainer,
  root: string,
  pts: string | undefined,
): Operation[] {
  const { insecure, masked } = container;
  const hidden: Operation[] = insecure
    ? []
    : [
        ...masked.map((path): Operation => ({ op: 'mask', root, path })),
        ...PROTECTED.map((path): Operation => ({ op: 'read-only', root, path })),
      ];
  return [
    mountIn(root, 'proc', '/proc', 'proc', HARDENED),
    ...ownDev(container, root, pts),
    ownSys(container, root),
    ...showGroups(container, root),
    ...hidden,
  ];
}

const KERNEL_DIRECTORIES = ['proc', 'dev', 'sys'] as const;

/** Where they are mounted before there is a root for them: in the tmpfs of the files in memory. */
const EARLY_ROOT = 'kernel';

/** Mounts them in the container's root. */
export function moveKernelFileSystems({ memory, root }: Container): Operation[] {
  return KERNEL_DIRECTORIES.map((name) => {
    const source = posix.join(memory.directory, EARLY_ROOT, name);
    return { op: 'move-in', root, source, path: `/${name}` };
  });
}

/**
 * What follows the first process, or comes before there are any layers.
 * @param pts where its terminals are; undefined: it gets new ones
 */
export function earlyOperations(container: EarlyContainer, pts?: string): Operation[] {
  const { isolation, hostname, network, memory, filter } = container;
  const shared: Operation[] = [
    ...joinNetwork(container),
    ...processes(container),
    ...(network === 'none' ? [{ op: 'loopback-up' } as const] : []),
    ...(filter ? [{ op: 'seccomp-filter', filter } as const] : []),
    memoryMount(container),
  ];
  if (isolation === 'chroot') return shared;
  const root = posix.join(memory.directory, EARLY_ROOT);
  const places = [root, ...KERNEL_DIRECTORIES.map((name) => posix.join(root, name))];
  return [
    ...shared,
    ...(hostname === undefined ? [] : [{ op: 'hostname', name: hostname } as const]),
    ...places.map((path) => ({ op: 'mkdir', path, mode: '755' }) as const),
    ...kernelFileSystems(container, root, pts),
  ];
}

/** All that can be done for a container before the rest of it is known. */
export function waitingOperations(container: EarlyContainer): Operation[] {
  return [
    { op: 'clone', flags: namespaceFlags(container), group: firstGroup(container), waits: true },
    // What is mounted on this machine while it waits shows up there as well.
    mount('none', '/', '', MS.REC | MS.SLAVE),
    ...earlyOperations(container),
    { op: 'await' },
  ];
}
