/**
 * The operations that hand a container to an OCI runtime: wiac mounts the layers, in a mount namespace
 * that ends with the container, and the runtime does the rest.
 */
import { basename, join } from 'node:path';
import type { Container, StreamKind } from './container.js';
import { STANDARD_DEVICES } from './devices.js';
import { joinGroups, joinNetwork, memoryMount, varied } from './early-operations.js';
import { firstProcess, memoryFiles, mountOverlays } from './enter-operations.js';
import type { Operation } from './operations.js';
import { MS } from './operations.js';
import { runtimeConfig } from './runtime-config.js';

/** Of programs that wiac starts on this machine. */
const HOST_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * The container stays in the control groups that wiac made for it, with their limits. runc would make a
 * group of its own; with --rootless=true it goes on without one where /sys/fs/cgroup is read-only. crun
 * is told to make none, but refuses machines that mount version 2 beside version 1: that mount is hidden.
 */
const CONTROL_GROUPS = '/sys/fs/cgroup';
const keepGroups: readonly Operation[] = [
  { op: 'mask', root: '/', path: `${CONTROL_GROUPS}/unified` },
  { op: 'read-only', root: '/', path: CONTROL_GROUPS },
];

function groupFlags(runtime: string): string[] {
  return basename(runtime) === 'crun' ? ['--cgroup-manager=disabled'] : ['--rootless=true'];
}

/**
 * crun covers files that are to look empty with this machine's /dev/null, whose mode and owner root in the
 * container could then change: it finds another one there.
 */
function ownNull({ memory, mayMountSysfs }: Container): Operation[] {
  // In a user namespace nobody can make devices, nor change those of this machine.
  const device = STANDARD_DEVICES.find(({ path }) => path === 'null');
  if (!device || !mayMountSysfs) return [];
  const directory = join(memory.directory, 'dev');
  const tmpfs = { source: 'tmpfs', type: 'tmpfs', data: 'mode=755', flags: MS.NOSUID | MS.NOEXEC };
  const [source, target] = [join(directory, device.path), device.source];
  return [
    { op: 'mkdir', path: directory, mode: '755' },
    { op: 'mount', ...tmpfs, target: directory },
    { op: 'chdir', path: directory },
    { op: 'device', ...device, mounted: false },
    { op: 'mount', source, target, type: '', flags: MS.BIND, data: '' },
    { op: 'chdir', path: '/' },
  ];
}

/** Where a tmpfs of the container is mounted first: runtimes give those that they mount other modes. */
const tmpfsPlace = (directory: string, index: number) => join(directory, `tmpfs${index}`);

function ownTmpfs({ memory, tmpfs }: Container): Operation[] {
  return tmpfs.flatMap(({ options, flags = MS.NOSUID | MS.NODEV }, index): Operation[] => {
    const path = tmpfsPlace(memory.directory, index);
    const mount = { op: 'mount', source: 'tmpfs', type: 'tmpfs', flags, data: options } as const;
    return [
      { op: 'mkdir', path, mode: '755' },
      { ...mount, target: path },
    ];
  });
}

/** How a runtime is used. */
interface Runtime {
  /** Path of the program, which has the command line of runc. */
  readonly path: string;
  /** As in runtimeConfig. */
  readonly held: readonly number[];
  /** A terminal for the program; the runtime's own streams are one. */
  readonly terminal: boolean;
}

export function runtimeOperations(
  container: Container,
  streams: StreamKind,
  { path: runtime, held, terminal }: Runtime,
): Operation[] {
  const { memory, tmpfs, runtimeLog } = container;
  const { directory } = memory;
  const places = tmpfs.map((_, index) => tmpfsPlace(directory, index));
  const description = runtimeConfig(container, { held, terminal, places });
  const config: Operation = {
    op: 'write',
    path: join(directory, 'config.json'),
    content: Buffer.from(JSON.stringify(description)),
    ...{ mode: 0o600, uid: 0, gid: 0 },
  };
  const flags = [
    ...groupFlags(runtime),
    ...['--log', runtimeLog, '--log-format', 'json'],
    ...['--root', join(directory, 'state'), 'run', '--bundle', directory, 'wiac'],
  ];
  return [
    ...firstProcess(container, streams),
    ...joinNetwork(container),
    ...varied(container),
    // The runtime is no process 1, which would have to take in what others leave behind.
    { op: 'fork' },
    ...joinGroups(container),
    { op: 'session' },
    ...mountOverlays(container, streams),
    memoryMount(container),
    ...memoryFiles(container),
    ...ownNull(container),
    ...ownTmpfs(container),
    config,
    // Of the pid namespace that the runtime is in: it looks for its own number there.
    { op: 'mount', source: 'proc', target: '/proc', type: 'proc', flags: MS.NOSUID, data: '' },
    ...keepGroups,
    ...(streams === 'capture' ? [{ op: 'null-input' } as const] : []),
    { op: 'env', pairs: [['PATH', HOST_PATH]] },
    { op: 'exec', argv: [runtime, ...flags] },
  ];
}
