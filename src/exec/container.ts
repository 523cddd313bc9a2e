/**
 * From the description of a container to the operations that enter it. Pure: paths in, data out.
 */

import type { ResourceLimit } from '../plan/step.js';
import type { Operation } from './operations.js';
import { CLONE, MS } from './operations.js';

/** How much a container is kept apart from this machine. */
export type Isolation = 'namespaces' | 'chroot';

/** Where something is mounted. */
export interface MountPlace {
  /** Absolute path in the container, symlinks resolved. */
  readonly target: string;
  /**
   * The mount that it lies in, by its target, and the path below that: the mount point is made there
   * if it is missing. Undefined: it exists in the merged root.
   */
  readonly within?: {
    readonly base: string;
    readonly path: string;
    readonly kind: 'file' | 'directory';
  };
}

/** Something of this machine that is shown inside. */
export interface BindMount extends MountPlace {
  readonly source: string;
  readonly readOnly: boolean;
}

/** Another stack of layers, mounted outside of the container's root; binds show parts of it. */
export interface View {
  readonly root: string;
  readonly overlay: { readonly options: string; readonly base: string };
}

/** A tmpfs inside the container. */
export interface TmpfsMount extends MountPlace {
  /** mount(8) options such as `size=64m,mode=1777`. */
  readonly options: string;
}

/** Everything there is to know about a container before it starts. */
export interface Container {
  readonly isolation: Isolation;
  /** Data of the overlay mount, and the directory its relative lower directories start from. */
  readonly overlay: { readonly options: string; readonly base: string };
  /** Empty directory of this machine where the merged view is mounted. */
  readonly root: string;
  readonly views: readonly View[];
  readonly binds: readonly BindMount[];
  readonly tmpfs: readonly TmpfsMount[];
  readonly network: 'host' | 'none';
  /** All capabilities and no masked paths: RUN --security=insecure. */
  readonly insecure: boolean;
  readonly hostname: string | undefined;
  /** Size of /dev/shm in bytes. */
  readonly shmSize: number;
  readonly limits: readonly ResourceLimit[];
  /** False in a user namespace, where a new sysfs needs a network namespace of its own. */
  readonly mayMountSysfs: boolean;
  readonly user: { readonly uid: number; readonly gid: number; readonly groups: readonly number[] };
  readonly workdir: string;
  readonly env: readonly (readonly [string, string])[];
  readonly argv: readonly string[];
}

/**
 * The capabilities Docker and containerd give by default: CHOWN, DAC_OVERRIDE, FOWNER, FSETID,
 * KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, NET_RAW, SYS_CHROOT, MKNOD, AUDIT_WRITE,
 * SETFCAP; numbers of linux/capability.h.
 */
const DEFAULT_CAPABILITIES = [0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31];

/** Paths that the OCI runtime-spec's defaults hide (maskedPaths) or protect (readonlyPaths). */
const MASKED = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];
const PROTECTED = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];
const DEVICE_LINKS = [
  ['/proc/self/fd', 'fd'],
  ['/proc/self/fd/0', 'stdin'],
  ['/proc/self/fd/1', 'stdout'],
  ['/proc/self/fd/2', 'stderr'],
  ['pts/ptmx', 'ptmx'],
] as const;

const HARDENED = MS.NOSUID | MS.NODEV | MS.NOEXEC;

function mount(
  source: string,
  target: string,
  type: string,
  flags: number,
  data = '',
): Operation & { op: 'mount' } {
  return { op: 'mount', source, target, type, flags, data };
}

/** The path to mount at, once the operations that make it have been carried out. */
function mountPoint({ target, within }: MountPlace, root: string): [string, Operation[]] {
  if (!within) return [`${root}${target}`, []];
  const { base, path, kind } = within;
  // It stays relative to the directory that was reached: no link on the way is ever followed.
  return [
    path.slice(path.lastIndexOf('/') + 1),
    [{ op: 'mount-point', base: `${root}${base}`, path, kind }],
  ];
}

function bind(item: BindMount, root: string): Operation[] {
  const { source, readOnly } = item;
  const [path, operations] = mountPoint(item, root);
  operations.push(mount(source, path, '', MS.BIND | MS.REC));
  // A bind mount ignores MS_RDONLY at first (mount(2), "Remounting an existing mount").
  if (readOnly) operations.push(mount('none', path, '', MS.BIND | MS.REMOUNT | MS.RDONLY));
  return operations;
}

/** /dev as the OCI runtime-spec wants it: a few devices, nothing of this machine's hardware. */
function ownDev(root: string, shmSize: number): Operation[] {
  const dev = `${root}/dev`;
  return [
    mount('tmpfs', dev, 'tmpfs', MS.NOSUID, 'mode=755,size=64k'),
    ...DEVICES.flatMap((name): Operation[] => [
      { op: 'touch', path: `${dev}/${name}` },
      mount(`/dev/${name}`, `${dev}/${name}`, '', MS.BIND),
    ]),
    ...DEVICE_LINKS.map(
      ([target, name]): Operation => ({
        op: 'symlink',
        target,
        path: `${dev}/${name}`,
      }),
    ),
    { op: 'mkdir', path: `${dev}/pts`, mode: '755' },
    mount(
      'devpts',
      `${dev}/pts`,
      'devpts',
      MS.NOSUID | MS.NOEXEC,
      'newinstance,ptmxmode=0666,mode=0620',
    ),
    { op: 'mkdir', path: `${dev}/shm`, mode: '1777' },
    mount('shm', `${dev}/shm`, 'tmpfs', HARDENED, `mode=1777,size=${shmSize}`),
    { op: 'mkdir', path: `${dev}/mqueue`, mode: '755' },
    mount('mqueue', `${dev}/mqueue`, 'mqueue', HARDENED),
  ];
}

function ownSys(container: Container): Operation[] {
  const target = `${container.root}/sys`;
  if (container.mayMountSysfs) return [mount('sysfs', target, 'sysfs', HARDENED | MS.RDONLY)];
  return bind({ source: '/sys', target: '/sys', readOnly: false }, container.root);
}

function tmpfs(item: TmpfsMount, root: string): Operation[] {
  const [path, operations] = mountPoint(item, root);
  return [...operations, mount('tmpfs', path, 'tmpfs', MS.NOSUID | MS.NODEV, item.options)];
}

/** The mounts that a container was asked for: those around others come first. */
function ownMounts({ root, tmpfs: memory, binds }: Container): Operation[] {
  const depth = ({ target }: MountPlace) => target.split('/').length;
  const all = [
    ...memory.map((item) => ({ depth: depth(item), operations: tmpfs(item, root) })),
    ...binds.map((item) => ({ depth: depth(item), operations: bind(item, root) })),
  ];
  return all.sort((a, b) => a.depth - b.depth).flatMap(({ operations }) => operations);
}

/** The article's way: this machine's own /proc, /dev and /sys, only the root is another. */
function sharedFileSystems(root: string): Operation[] {
  return ['/proc', '/dev', '/sys'].flatMap((path) =>
    bind({ source: path, target: path, readOnly: false }, root),
  );
}

function ownFileSystems(container: Container): Operation[] {
  const { root, insecure } = container;
  const hidden: Operation[] = insecure
    ? []
    : [
        ...MASKED.map((path): Operation => ({ op: 'mask', path: `${root}${path}` })),
        ...PROTECTED.map((path): Operation => ({ op: 'read-only', path: `${root}${path}` })),
      ];
  return [
    mount('proc', `${root}/proc`, 'proc', HARDENED),
    ...ownDev(root, container.shmSize),
    ...ownSys(container),
    ...hidden,
  ];
}

function namespaceFlags({ isolation, network }: Container): number {
  const net = network === 'none' ? CLONE.NEWNET : 0;
  // Even the article's way gets a pid namespace: what a program leaves behind ends with it.
  if (isolation === 'chroot') return CLONE.NEWNS | CLONE.NEWPID | net;
  return CLONE.NEWNS | CLONE.NEWPID | CLONE.NEWIPC | CLONE.NEWUTS | CLONE.NEWCGROUP | net;
}

/** The operations that start a container's program, in order. */
export function enterOperations(container: Container): Operation[] {
  const { isolation, root, overlay, user } = container;
  const isolated = isolation === 'namespaces';
  return [
    { op: 'die-with-parent' },
    { op: 'unshare', flags: namespaceFlags(container) },
    // Without this every mount below would show up on the host and stay there.
    mount('none', '/', '', MS.REC | MS.PRIVATE),
    { op: 'fork' },
    // The article's program is no process 1, which would ignore signals it sends to itself: it gets
    // a parent in the namespace, and what it leaves behind ends with that.
    ...(isolated ? [] : [{ op: 'fork' } as const]),
    ...(container.network === 'none' ? [{ op: 'loopback-up' } as const] : []),
    ...(isolated && container.hostname !== undefined
      ? [{ op: 'hostname', name: container.hostname } as const]
      : []),
    ...[{ root, overlay }, ...container.views].flatMap((view): Operation[] => [
      { op: 'chdir', path: view.overlay.base },
      mount('overlay', view.root, 'overlay', 0, view.overlay.options),
    ]),
    ...(isolated ? ownFileSystems(container) : sharedFileSystems(root)),
    ...ownMounts(container),
    ...container.limits.map((limit): Operation => ({ op: 'rlimit', ...limit })),
    isolated ? { op: 'pivot', root } : { op: 'chroot', root },
    // The article's chroot keeps every capability; that is one of the reasons it is no sandbox.
    ...(isolated && !container.insecure
      ? [{ op: 'capabilities', keep: DEFAULT_CAPABILITIES } as const]
      : []),
    { op: 'umask', mask: '0022' },
    { op: 'make-path', path: container.workdir },
    { op: 'user', ...user },
    { op: 'chdir', path: container.workdir },
    { op: 'env', pairs: container.env },
    { op: 'exec', argv: container.argv },
  ];
}
