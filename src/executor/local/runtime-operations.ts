/**
 * The operations that hand a container to an OCI runtime: wiac mounts the layers, in a mount namespace
 * that ends with the container, and the runtime does the rest.
 */
import { basename, join } from 'node:path';
import type { Container, StreamKind } from './container.js';
import {
  firstProcess,
  joinGroups,
  joinNetwork,
  memoryFiles,
  mountOverlays,
} from './enter-operations.js';
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

/** @param runtime path of the program, which has the command line of runc */
export function runtimeOperations(
  container: Container,
  streams: StreamKind,
  runtime: string,
): Operation[] {
  const { memory } = container;
  const { directory } = memory;
  const config: Operation = {
    op: 'write',
    path: join(directory, 'config.json'),
    content: Buffer.from(JSON.stringify(runtimeConfig(container))),
    ...{ mode: 0o600, uid: 0, gid: 0 },
  };
  const flags = [
    ...groupFlags(runtime),
    ...['--root', join(directory, 'state'), 'run', '--bundle', directory, 'wiac'],
  ];
  return [
    ...firstProcess(container, streams),
    ...joinNetwork(container),
    // The runtime is no process 1, which would have to take in what others leave behind.
    { op: 'fork' },
    ...joinGroups(container),
    { op: 'session' },
    ...mountOverlays(container),
    ...memoryFiles(container),
    config,
    // Of the pid namespace that the runtime is in: it looks for its own number there.
    { op: 'mount', source: 'proc', target: '/proc', type: 'proc', flags: MS.NOSUID, data: '' },
    ...keepGroups,
    ...(streams === 'capture' ? [{ op: 'null-input' } as const] : []),
    { op: 'env', pairs: [['PATH', HOST_PATH]] },
    { op: 'exec', argv: [runtime, ...flags] },
  ];
}
