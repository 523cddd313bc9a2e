/** From the description of a container to the operations that enter it. Pure: paths in, data out. */
import { posix } from 'node:path';
import { UNIFIED_MEMBERS } from './cgroup-hierarchy.js';
import type { BindMount, Container, MountPlace, StreamKind, TmpfsMount } from './container.js';
import { USUAL_UMASK } from './container.js';
import { mountsOf } from './deep-stacks.js';
import { deviceOperations, STANDARD_DEVICES } from './devices.js';
import { PROTECTED } from './masked-paths.js';
import type { Operation, Overlay } from './operations.js';
import { CLONE, MS } from './operations.js';
import { containerFilter } from './seccomp.js';
import type { OrderedNames } from './variation.js';

const DEVICE_LINKS = [
  ['/proc/self/fd', 'fd'],
  ['/proc/self/fd/0', 'stdin'],
  ['/proc/self/fd/1', 'stdout'],
  ['/proc/self/fd/2', 'stderr'],
  ['pts/ptmx', 'ptmx'],
] as const;

const HARDENED = MS.NOSUID | MS.NODEV | MS.NOEXEC;

function mount(source: string, target: string, type: string, flags: number, data = ''): Operation {
  return { op: 'mount', source, target, type, flags, data };
}

/** A path of the container: its symlinks are followed within `root`. */
interface At {
  readonly root: string;
  readonly path: string;
}

/** Where to mount, once the operations that make the place have been carried out. */
function mountPoint({ target, within }: MountPlace, root: string): [At, Operation[]] {
  if (!within) return [{ root, path: target }, []];
  const { base, path, kind } = within;
  // From the directory that was reached: no link on the way is ever followed.
  const name = path.slice(path.lastIndexOf('/') + 1);
  return [{ root: '.', path: name }, [{ op: 'mount-point', root, base, path, kind }]];
}

function mountIn(
  root: string,
  source: string,
  path: string,
  type: string,
  flags: number,
  data = '',
): Operation {
  return { op: 'mount-in', root, source, path, type, flags, data };
}

/**
 * Devices are what the container has in /dev. One that a program makes itself would be this
 * machine's disk. RUN --security=insecure is asked for to work with those (mount an image's file).
 */
function devices({ insecure }: Container): number {
  return insecure ? 0 : MS.NODEV;
}

function bind(container: Container, item: BindMount): Operation[] {
  const { source, readOnly } = item;
  const attributes = devices(container) | (readOnly ? MS.RDONLY : 0);
  const [at, operations] = mountPoint(item, container.root);
  return [...operations, { op: 'bind-in', source, ...at, attributes }];
}

function tmpfs(item: TmpfsMount, { root }: Container): Operation[] {
  const [at, operations] = mountPoint(item, root);
  const { options, flags = MS.NOSUID | MS.NODEV } = item;
  return [...operations, mountIn(at.root, 'tmpfs', at.path, 'tmpfs', flags, options)];
}

const PTS_OPTIONS = 'newinstance,ptmxmode=0666,mode=0620';

/** /dev as the OCI runtime-spec wants it: a few devices, nothing of this machine's hardware. */
function ownDev(container: Container, streams: StreamKind): Operation[] {
  const { root, pts, shmSize, insecure } = container;
  return [
    mountIn(root, 'tmpfs', '/dev', 'tmpfs', MS.NOSUID, 'mode=755,size=64k'),
    // Only this process can change anything below: plain names are safe.
    { op: 'chdir-in', root, path: '/dev' },
    ...deviceOperations(STANDARD_DEVICES, true),
    ...deviceOperations(container.devices, !insecure),
    ...DEVICE_LINKS.map(([target, path]): Operation => ({ op: 'symlink', target, path })),
    { op: 'mkdir', path: 'pts', mode: '755' },
    streams === 'relay'
      ? mount(pts, 'pts', '', MS.MOVE)
      : mount('devpts', 'pts', 'devpts', MS.NOSUID | MS.NOEXEC, PTS_OPTIONS),
    { op: 'mkdir', path: 'shm', mode: '1777' },
    mount('shm', 'shm', 'tmpfs', HARDENED, `mode=1777,size=${shmSize}`),
    { op: 'mkdir', path: 'mqueue', mode: '755' },
    mount('mqueue', 'mqueue', 'mqueue', HARDENED),
    // Each device above is a mount of its own, which this leaves alone.
    { op: 'restrict', path: '.', attributes: devices(container) },
    { op: 'chdir', path: '/' },
  ];
}

/** This machine's /sys, with the control groups below it: to be read, unless all is allowed. */
function sharedSys({ root, insecure }: Container): Operation {
  const attributes = HARDENED | (insecure ? 0 : MS.RDONLY);
  return { op: 'bind-in', root, source: '/sys', path: '/sys', attributes };
}

/** The mounts that a container was asked for: those around others come first. */
function ownMounts(container: Container): Operation[] {
  const depth = ({ target }: MountPlace) => target.split('/').length;
  const all = [
    ...container.tmpfs.map((item) => ({ depth: depth(item), operations: tmpfs(item, container) })),
    ...container.binds.map((item) => ({ depth: depth(item), operations: bind(container, item) })),
  ];
  const mounts = all.sort((a, b) => a.depth - b.depth).flatMap(({ operations }) => operations);
  return [...mounts, { op: 'chdir', path: '/' }];
}

function ownSys(container: Container): Operation {
  const { root, mayMountSysfs, insecure } = container;
  if (!mayMountSysfs) return sharedSys(container);
  return mountIn(root, 'sysfs', '/sys', 'sysfs', HARDENED | (insecure ? 0 : MS.RDONLY));
}

/**
 * The article's way: this machine's own /proc and /dev, only the root is another. What would change
 * the running machine is for reading all the same.
 */
function sharedFileSystems(container: Container): Operation[] {
  const { root, insecure } = container;
  return [
    ...['/proc', '/dev'].map(
      (path): Operation => ({ op: 'bind-in', root, source: path, path, attributes: 0 }),
    ),
    sharedSys(container),
    ...(insecure ? [] : PROTECTED.map((path): Operation => ({ op: 'read-only', root, path }))),
  ];
}

function ownFileSystems(container: Container, streams: StreamKind): Operation[] {
  const { root, insecure, masked } = container;
  const hidden: Operation[] = insecure
    ? []
    : [
        ...masked.map((path): Operation => ({ op: 'mask', root, path })),
        ...PROTECTED.map((path): Operation => ({ op: 'read-only', root, path })),
      ];
  return [
    mountIn(root, 'proc', '/proc', 'proc', HARDENED),
    ...ownDev(container, streams),
    ownSys(container),
    ...hidden,
  ];
}

/** Connects the program with the streams of wiac's caller. */
function ownStreams(container: Container): Operation[] {
  const { isolation, pts, user, terminal: always } = container;
  const { uid } = user;
  if (isolation === 'chroot')
    return [{ op: 'relay-streams', ptmx: '/dev/ptmx', pts: '/dev/pts', uid, always }];
  // Made before there is a container, so that the other end is open outside of it.
  return [
    mount('devpts', pts, 'devpts', MS.NOSUID | MS.NOEXEC, PTS_OPTIONS),
    { op: 'relay-streams', ptmx: `${pts}/ptmx`, pts, uid, always },
  ];
}

/** Mounts the tmpfs of the files in memory, and writes them. */
export function memoryFiles({ memory }: Container): Operation[] {
  return [
    mount('tmpfs', memory.directory, 'tmpfs', HARDENED, 'mode=700'),
    ...memory.files.map((file): Operation => ({ op: 'write', ...file })),
  ];
}

function namespaceFlags({ isolation, network }: Container): number {
  const net = network === 'none' ? CLONE.NEWNET : 0;
  // Even the article's way gets a pid namespace: what a program leaves behind ends with it.
  if (isolation === 'chroot') return CLONE.NEWNS | CLONE.NEWPID | net;
  return CLONE.NEWNS | CLONE.NEWPID | CLONE.NEWIPC | CLONE.NEWUTS | net;
}

/**
 * The article's program is no process 1, which would ignore signals it sends to itself: it gets a parent
 * in the namespace, and what it leaves behind ends with that. An OCI runtime has its own.
 */
function isFirst({ isolation, restrictions, runtime, variation }: Container): boolean {
  const other = restrictions.init || variation?.lastPid !== undefined;
  return isolation === 'namespaces' && !other && runtime === undefined;
}

/** Group of version 2 that the first process begins in, because joining one takes 7 to 16 ms. */
function firstGroup(container: Container): string | undefined {
  const unified = container.cgroups.find((path) => path.endsWith(`/${UNIFIED_MEMBERS}`));
  return unified !== undefined && isFirst(container) ? posix.dirname(unified) : undefined;
}

/**
 * Joins the control groups, and restricts their devices.
 * @param begun the one that the process is in already
 */
export function joinGroups({ cgroups, deviceFilter }: Container, begun?: string): Operation[] {
  const joined = cgroups.filter((path) => posix.dirname(path) !== begun);
  return [
    ...joined.map((path): Operation => ({ op: 'join-cgroup', path })),
    ...(deviceFilter ? [{ op: 'device-filter', ...deviceFilter } as const] : []),
  ];
}

/** What the program finds changed in what the kernel gives it. */
export function varied({ variation: { lastPid, cpus } = {} }: Container): Operation[] {
  return [
    ...(lastPid === undefined ? [] : [{ op: 'last-pid', pid: lastPid } as const]),
    ...(cpus === undefined ? [] : [{ op: 'cpus', cpus } as const]),
  ];
}

/** The processes that the program is started by, and the control groups that it alone is in. */
function processes(container: Container): Operation[] {
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

function rights({ isolation, insecure, restrictions }: Container): Operation[] {
  const { capabilities, everywhere, noNewPrivileges } = restrictions;
  // The article's chroot keeps every capability; that is one of the reasons it is no sandbox.
  if (isolation === 'chroot' || insecure)
    return everywhere ? [{ op: 'capabilities', keep: capabilities }] : [];
  return [
    { op: 'capabilities', keep: capabilities },
    ...(noNewPrivileges ? [{ op: 'no-new-privileges' } as const] : []),
  ];
}

/** Comes last of what needs rights: it refuses some of the calls that make a container. */
function filter({ isolation, insecure, restrictions }: Container): Operation[] {
  const { capabilities, seccomp } = restrictions;
  if (isolation === 'chroot' || insecure || !seccomp) return [];
  const made = containerFilter(seccomp, capabilities);
  return made ? [{ op: 'seccomp', filter: made }] : [];
}

/** Up to the first process of the container, in a mount namespace whose mounts are its own. */
export function firstProcess(container: Container, streams: StreamKind): Operation[] {
  const flags = namespaceFlags(container);
  const group = firstGroup(container);
  // Without this every mount would show up on the host and stay there.
  const own = mount('none', '/', '', MS.REC | MS.PRIVATE);
  const written = container.overlay.upper?.directory;
  if (streams === 'capture') return [{ op: 'clone', flags, group, written }, own];
  // The terminal is made first, in the mount namespace that the container goes on in.
  return [
    { op: 'unshare', flags: CLONE.NEWNS },
    own,
    ...ownStreams(container),
    { op: 'clone', flags: flags & ~CLONE.NEWNS, group },
  ];
}

/** Enters a network that is there already. Its path is one of /proc as it is here. */
export function joinNetwork({ network }: Container): Operation[] {
  return typeof network === 'object' ? [{ op: 'join-network', path: network.namespace }] : [];
}

/** The layers on names in an order of their own. */
function onNames(overlay: Overlay, names: OrderedNames | undefined): [Overlay, Operation[]] {
  if (!names) return [overlay, []];
  const { directory, paths } = names;
  // One device for all files of the tree, as without the names: tar, du and find may be told to stay on one.
  // With xino=on the kernel would mark new directories as opaque, which it does not do otherwise.
  const options = overlay.options.includes('xino=')
    ? overlay.options
    : `${overlay.options},xino=auto`;
  return [
    { ...overlay, lower: [...overlay.lower, directory], options },
    [mount('tmpfs', directory, 'tmpfs', HARDENED, 'mode=755'), { op: 'names', directory, paths }],
  ];
}

/** Mounts the layers, and what binds show of others. @throws UnsupportedError for too many of them */
export function mountOverlays(container: Container): Operation[] {
  const { root, views } = container;
  const [overlay, names] = onNames(container.overlay, container.names);
  const mounts = [{ root, overlay }, ...views].flatMap(mountsOf).map((view): Operation => {
    return { op: 'overlay', target: view.root, flags: devices(container), ...view.overlay };
  });
  return [...names, ...mounts];
}

/** The operations that start a container's program, in order. */
export function enterOperations(container: Container, streams: StreamKind): Operation[] {
  const { isolation, root, user, workdir } = container;
  const isolated = isolation === 'namespaces';
  return [
    ...firstProcess(container, streams),
    ...joinNetwork(container),
    ...processes(container),
    ...(container.network === 'none' ? [{ op: 'loopback-up' } as const] : []),
    ...(isolated && container.hostname !== undefined
      ? [{ op: 'hostname', name: container.hostname } as const]
      : []),
    ...mountOverlays(container),
    ...memoryFiles(container),
    ...(isolated ? ownFileSystems(container, streams) : sharedFileSystems(container)),
    ...ownMounts(container),
    isolated ? { op: 'pivot', root } : { op: 'chroot', root },
    ...(streams === 'capture' ? [{ op: 'null-input' } as const] : []),
    { op: 'drop-inherited' },
    { op: 'umask', mask: container.variation?.umask ?? USUAL_UMASK },
    { op: 'make-path', path: workdir },
    // Before rights are given up: a program may begin in a directory that its user may not enter (WORKDIR, then USER).
    { op: 'workdir', path: workdir, attempt: 'first' },
    ...rights(container),
    ...(container.restrictions.readOnly
      ? [{ op: 'restrict', path: '/', attributes: MS.RDONLY } as const]
      : []),
    // After all that opens files; before the user is another one, who may raise none.
    ...container.limits.map((limit): Operation => ({ op: 'rlimit', ...limit })),
    ...filter(container),
    { op: 'user', ...user, groups: container.maySetGroups ? user.groups : undefined },
    { op: 'workdir', path: workdir, attempt: 'last' },
    { op: 'env', pairs: container.env },
    { op: 'exec', argv: container.argv },
  ];
}
