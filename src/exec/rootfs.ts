/**
 * Prepares the directories of a container: upper, work and merged directory, and the mount points
 * that its root lacks. Those come from one more lower directory at the very bottom of the stack,
 * so that no mount point made by us can end up in a layer.
 */
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { ContextError } from '../errors.js';
import type { Stack } from '../layers/stack.js';
import { locate, resolve } from '../layers/stack.js';
import type { BindMount } from './container.js';

/** A file or directory of this machine to be shown at a path of the container. */
export interface MountRequest {
  readonly source: string;
  readonly path: string;
  readonly kind: 'file' | 'directory';
  readonly readOnly: boolean;
  /** Leave it out when the image hides the place, instead of failing. */
  readonly optional: boolean;
}

/** Directories that every container needs to mount something on. */
const SYSTEM_DIRECTORIES = ['proc', 'dev', 'sys'];

/** Prepared directories of a container. */
export interface Rootfs {
  /** Where the merged view is going to be mounted. */
  readonly root: string;
  /** Lower directories, topmost first, the one with the mount points at the bottom. */
  readonly lower: readonly string[];
  readonly binds: readonly BindMount[];
  /** Resolved targets of directories asked for without a source, in the order of the request. */
  readonly targets: readonly string[];
}

function makePoint(stubs: string, path: string, kind: MountRequest['kind']): void {
  const target = join(stubs, path);
  if (kind === 'directory') mkdirSync(target, { recursive: true });
  else {
    mkdirSync(dirname(target), { recursive: true });
    if (!existsSync(target)) writeFileSync(target, '');
  }
}

/**
 * @param stack the container's layers, the upper directory included if it holds anything
 * @param scratch directory for everything made here; on the file system of the upper directory
 * @param directories further mount points for directories (tmpfs)
 * @throws ContextError when a mount point lies below something that is no directory
 */
export function prepareRootfs(
  stack: Stack,
  lower: readonly string[],
  scratch: string,
  requests: readonly MountRequest[],
  directories: readonly string[],
): Rootfs {
  const root = join(scratch, 'merged');
  const stubs = join(scratch, 'stubs');
  for (const path of [root, stubs]) mkdirSync(path);
  for (const name of SYSTEM_DIRECTORIES) makePoint(stubs, name, 'directory');
  const withStubs = [...stack, { path: stubs, opaque: new Set<string>() }];
  const place = (path: string, kind: MountRequest['kind']): string | undefined => {
    const resolved = resolve(withStubs, path);
    if (!resolved) return undefined;
    if (!resolved.entry) makePoint(stubs, resolved.path, kind);
    const found = locate(withStubs, resolved.path);
    const fits = found && found.stats.isDirectory() === (kind === 'directory');
    return fits ? `/${resolved.path}` : undefined;
  };
  const refuse = (path: string): never => {
    throw new ContextError(
      `nothing can be mounted at ${path}: the image has something else there`,
      undefined,
    );
  };
  const binds = requests.flatMap(({ source, path, kind, readOnly, optional }): BindMount[] => {
    const target = place(path, kind);
    if (target !== undefined) return [{ source, target, readOnly }];
    return optional ? [] : refuse(path);
  });
  const targets = directories.map((path) => place(path, 'directory') ?? refuse(path));
  return { root, lower: [...lower, stubs], binds, targets };
}

/** Gives a new upper directory the attributes of the root that it is going to cover. */
export function inheritRoot(upper: string, stack: Stack): void {
  const [top] = stack;
  if (!top) return;
  const { mode, uid, gid } = lstatSync(top.path);
  chownSync(upper, uid, gid);
  chmodSync(upper, mode & 0o7777);
}

const HOSTS = ['127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback'];

/**
 * /etc/hosts and /etc/resolv.conf of a container: copies in `scratch`, because a program may write
 * to its own, never to this machine's.
 * @param extraHosts further lines of /etc/hosts
 * @param hostname the container's own: programs such as sudo ask for its address
 */
export function networkFiles(
  scratch: string,
  network: 'host' | 'none',
  extraHosts: readonly string[],
  hostname: string,
): MountRequest[] {
  const file = { kind: 'file', readOnly: false, optional: true } as const;
  const hosts = join(scratch, 'hosts');
  // After the others: a line of --add-host for the same name counts.
  const own = `127.0.1.1\t${hostname}`;
  writeFileSync(hosts, [...HOSTS, ...extraHosts, own, ''].join('\n'));
  const mounts: MountRequest[] = [{ ...file, source: hosts, path: '/etc/hosts' }];
  if (network === 'host' && existsSync('/etc/resolv.conf')) {
    const resolvConf = join(scratch, 'resolv.conf');
    copyFileSync('/etc/resolv.conf', resolvConf);
    mounts.push({ ...file, source: resolvConf, path: '/etc/resolv.conf' });
  }
  return mounts;
}
