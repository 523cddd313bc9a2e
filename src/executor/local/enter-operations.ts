/** From the description of a container to the operations that enter it. Pure: paths in, data out. */
import type { BindMount, Container, MountPlace, StreamKind, TmpfsMount } from './container.js';
import { USUAL_UMASK } from './container.js';
import { mountsOf } from './deep-stacks.js';
import {
  earlyContainer,
  earlyOperations,
  firstGroup,
  moveKernelFileSystems,
  namespaceFlags,
  sharedSys,
} from './early-operations.js';
import { PROTECTED } from './masked-paths.js';
import {
  compareMounts,
  devices,
  HARDENED,
  mount,
  mountIn,
  PTS_OPTIONS,
} from './mount-operations.js';
import type { Operation, Overlay } from './operations.js';
import { CLONE, MS } from './operations.js';
import type { OrderedNames } from './variation.js';

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

/** The mounts that a container was asked for: those around others come first. */
function ownMounts(container: Container): Operation[] {
  const all = [
    ...container.tmpfs.map((item) => ({ item, operations: tmpfs(item, container) })),
    ...container.binds.map((item) => ({ item, operations: bind(container, item) })),
  ].sort((a, b) => compareMounts(a.item, b.item));
  return [...all.flatMap(({ operations }) => operations), { op: 'chdir', path: '/' }];
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
    sharedSys(container, root),
    ...(insecure ? [] : PROTECTED.map((path): Operation => ({ op: 'read-only', root, path }))),
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

export function memoryFiles({ memory }: Container): Operation[] {
  return memory.files.map((file): Operation => ({ op: 'write', ...file }));
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

// Without this every mount would show up on the host and stay there.
const OWN_MOUNTS = mount('none', '/', '', MS.REC | MS.PRIVATE);

/** Up to the first process of the container, in a mount namespace whose mounts are its own. */
export function firstProcess(container: Container, streams: StreamKind): Operation[] {
  const flags = namespaceFlags(container);
  const group = firstGroup(container);
  const written = container.overlay.upper?.directory;
  if (streams === 'capture') return [{ op: 'clone', flags, group, written }, OWN_MOUNTS];
  // The terminal is made first, in the mount namespace that the container goes on in.
  return [
    { op: 'unshare', flags: CLONE.NEWNS },
    OWN_MOUNTS,
    ...ownStreams(container),
    { op: 'clone', flags: flags & ~CLONE.NEWNS, group },
  ];
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

/**
 * Mounts the layers, and what binds show of others. What is written to is going to be a layer, unless it is
 * thrown away: nobody may change it once the container has ended.
 * @throws UnsupportedError for too many of them
 */
export function mountOverlays(container: Container, streams: StreamKind): Operation[] {
  const { root, views } = container;
  const [overlay, names] = onNames(container.overlay, container.names);
  const mounts = [{ root, overlay }, ...views].flatMap(mountsOf).map((view): Operation => {
    return { op: 'overlay', target: view.root, flags: devices(container), ...view.overlay };
  });
  const kept: Operation[] = streams === 'capture' ? [{ op: 'hand-over', path: root }] : [];
  return [...names, ...mounts, ...kept];
}

/** What depends on its files, its program and its user. */
function late(container: Container, streams: StreamKind): Operation[] {
  const { isolation, root, user, workdir } = container;
  const isolated = isolation === 'namespaces';
  return [
    ...mountOverlays(container, streams),
    ...memoryFiles(container),
    ...(isolated ? moveKernelFileSystems : sharedFileSystems)(container),
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
    // Comes last of what needs rights: it refuses some of the calls that make a container.
    ...(earlyContainer(container).filter ? [{ op: 'seccomp' } as const] : []),
    { op: 'user', ...user, groups: container.maySetGroups ? user.groups : undefined },
    { op: 'workdir', path: workdir, attempt: 'last' },
    { op: 'env', pairs: container.env },
    { op: 'exec', argv: container.argv },
  ];
}

/** The operations that start a container's program, in order. */
export function enterOperations(container: Container, streams: StreamKind): Operation[] {
  const pts = streams === 'relay' ? container.pts : undefined;
  return [
    ...firstProcess(container, streams),
    ...earlyOperations(earlyContainer(container), pts),
    ...late(container, streams),
  ];
}

/** What follows `waitingOperations`. */
export function remainingOperations(container: Container): Operation[] {
  return [OWN_MOUNTS, ...late(container, 'capture')];
}
