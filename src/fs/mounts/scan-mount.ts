/**
 * What is in a cache mount. Steps may be at work in it: what they remove meanwhile is left out, and
 * no name is followed that one of them may have made a symbolic link of.
 */
import type { BigIntStats } from 'node:fs';
import { lstatSync, readdirSync, readlinkSync } from 'node:fs';
import type { TarTime } from '../../oci/tar/entry.js';
import type { ByteString } from '../../util/byte-string.js';
import { fsPath } from '../../util/byte-string.js';
import { entryPath } from '../directory.js';
import { pathBelow } from '../tree-path.js';
import type { Walker } from '../walker.js';
import { openWalker } from '../walker.js';

/** What lstat(2) says of a file, as far as a snapshot asks. */
export interface MountStats {
  /** 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: number;
  readonly mtime: TarTime;
  /** ms since the epoch. */
  readonly atimeMs: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  /** Another one when the file is another one, or was changed: inode and time of change. */
  readonly fingerprint: string;
  /** Equal for all names of a file; undefined when it has one name only. */
  readonly inode: string | undefined;
}

/** Something in a mount. Devices, fifos and sockets are left out: nothing of them could travel. */
export interface MountEntry {
  readonly type: 'file' | 'directory' | 'symlink';
  /** Relative to the mount. */
  readonly path: ByteString;
  readonly stats: MountStats;
  /** Of a symbolic link. */
  readonly target?: ByteString;
}

const BILLION = 1_000_000_000n;

/** @param nanoseconds since the epoch */
export function mountTime(nanoseconds: bigint): TarTime {
  const rest = ((nanoseconds % BILLION) + BILLION) % BILLION;
  return { seconds: Number((nanoseconds - rest) / BILLION), nanoseconds: Number(rest) };
}

/** Of stats with `bigint`. */
export function mountStats(stats: BigIntStats): MountStats {
  return {
    mode: Number(stats.mode & 0o7777n),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: Number(stats.size),
    mtime: mountTime(stats.mtimeNs),
    atimeMs: Number(stats.atimeMs),
    mtimeMs: Number(stats.mtimeMs),
    ctimeMs: Number(stats.ctimeMs),
    fingerprint: `${stats.ino}:${stats.ctimeNs}`,
    inode: stats.nlink > 1n ? `${stats.dev}:${stats.ino}` : undefined,
  };
}

const GONE = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EINVAL']);

/** What another process may have removed, or replaced, meanwhile. */
function unlessGone<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (GONE.has((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

function look(walker: Walker, directory: ByteString, name: ByteString): MountEntry | undefined {
  const entry = fsPath(entryPath(walker.at(directory), name));
  const found = lstatSync(entry, { bigint: true, throwIfNoEntry: false });
  if (!found) return undefined;
  const path = pathBelow(directory, name);
  const stats = mountStats(found);
  if (found.isDirectory()) return { type: 'directory', path, stats };
  if (found.isFile()) return { type: 'file', path, stats };
  if (!found.isSymbolicLink()) return undefined;
  const target = unlessGone(() => readlinkSync(entry, 'latin1'));
  return target === undefined ? undefined : { type: 'symlink', path, stats, target };
}

function list(walker: Walker, directory: ByteString): MountEntry[] {
  const names = unlessGone(() => readdirSync(walker.at(directory).path, 'latin1')) ?? [];
  const entries = names.sort().map((name) => unlessGone(() => look(walker, directory, name)));
  return entries.filter((entry) => entry !== undefined);
}

/**
 * Everything below a mount's directory, parents before what is in them.
 * @param root trusted path
 * @throws the file system's errors; UnsupportedError when directories are nested too deep
 */
export function scanMount(root: string): MountEntry[] {
  const walker = openWalker(root, 'bytes');
  try {
    const found: MountEntry[] = [];
    const stack = list(walker, '').reverse();
    for (let entry = stack.pop(); entry; entry = stack.pop()) {
      found.push(entry);
      if (entry.type === 'directory') stack.push(...list(walker, entry.path).reverse());
    }
    return found;
  } finally {
    walker.close();
  }
}
