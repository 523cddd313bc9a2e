/**
 * What is in a cache mount. Steps may be at work in it: what they remove meanwhile is left out, and
 * no name is followed that one of them may have made a symbolic link of.
 */
import type { BigIntStats, Stats } from 'node:fs';
import { constants, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import type { TarTime } from '../../oci/tar/entry.js';
import type { ByteString } from '../../util/byte-string.js';
import { fsPath } from '../../util/byte-string.js';
import { closeDirectory, entryPath, openRoot } from '../directory.js';
import { pathBelow } from '../tree-path.js';
import type { Walker } from '../walker.js';
import { openWalker } from '../walker.js';
import { setDirectory } from '../write.js';

const { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } = constants;

/** Owner, permissions and time, as they travel. */
export interface MountAttributes {
  /** 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: TarTime;
}

/** A file, as far as one has to know whether it changed. Whoever reads it learns the rest. */
export interface FoundFile {
  readonly type: 'file';
  /** Relative to the mount. */
  readonly path: ByteString;
  /** Bytes. */
  readonly size: number;
  /** ms since the epoch. */
  readonly atimeMs: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  /** Another one when the file is another one, or was changed. */
  readonly fingerprint: string;
  /** Equal for all names of a file; undefined when it has one name only. */
  readonly inode: string | undefined;
}

export interface FoundDirectory {
  readonly type: 'directory';
  readonly path: ByteString;
  readonly attributes: MountAttributes;
}

export interface FoundSymlink {
  readonly type: 'symlink';
  readonly path: ByteString;
  readonly attributes: MountAttributes;
  readonly target: ByteString;
}

/** Something in a mount. Devices, fifos and sockets are left out: nothing of them could travel. */
export type MountEntry = FoundFile | FoundDirectory | FoundSymlink;

const BILLION = 1_000_000_000n;

function getTime(nanoseconds: bigint): TarTime {
  const rest = ((nanoseconds % BILLION) + BILLION) % BILLION;
  return { seconds: Number((nanoseconds - rest) / BILLION), nanoseconds: Number(rest) };
}

/** As Node has it in stats without `bigint`: a double, finer than the kernel's clock tick. */
function toMs(time: bigint): number {
  const { seconds, nanoseconds } = getTime(time);
  return seconds * 1e3 + nanoseconds / 1e6;
}

/** Inode and time of change. */
export function fingerprint({ ino, ctimeMs }: Pick<Stats, 'ino' | 'ctimeMs'>): string {
  return `${ino}:${ctimeMs}`;
}

/** Of stats with `bigint`: they have the nanoseconds. */
export function mountAttributes(stats: BigIntStats): MountAttributes {
  return {
    mode: Number(stats.mode & 0o7777n),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    mtime: getTime(stats.mtimeNs),
  };
}

/** Size, time of change and fingerprint, of stats with `bigint`. */
export function fileState(stats: BigIntStats) {
  const ctimeMs = toMs(stats.ctimeNs);
  const size = Number(stats.size);
  return { size, ctimeMs, fingerprint: fingerprint({ ino: Number(stats.ino), ctimeMs }) };
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

function foundFile(path: ByteString, stats: Stats): FoundFile {
  const { size, atimeMs, mtimeMs, ctimeMs, nlink, dev, ino } = stats;
  const inode = nlink > 1 ? `${dev}:${ino}` : undefined;
  return {
    type: 'file',
    path,
    size,
    atimeMs,
    mtimeMs,
    ctimeMs,
    fingerprint: fingerprint(stats),
    inode,
  };
}

function look(walker: Walker, directory: ByteString, name: ByteString): MountEntry | undefined {
  const entry = fsPath(entryPath(walker.at(directory), name));
  const stats = lstatSync(entry, { throwIfNoEntry: false });
  const type = stats && stats.mode & S_IFMT;
  const path = pathBelow(directory, name);
  if (type === S_IFREG) return foundFile(path, stats as Stats);
  if (type !== S_IFDIR && type !== S_IFLNK) return undefined;
  const attributes = mountAttributes(lstatSync(entry, { bigint: true }));
  if (type === S_IFDIR) return { type: 'directory', path, attributes };
  return { type: 'symlink', path, attributes, target: readlinkSync(entry, 'latin1') };
}

function list(walker: Walker, directory: ByteString): MountEntry[] {
  const names = unlessGone(() => readdirSync(walker.at(directory).path, 'latin1')) ?? [];
  const entries: MountEntry[] = [];
  for (const name of names.sort()) {
    const entry = unlessGone(() => look(walker, directory, name));
    if (entry) entries.push(entry);
  }
  return entries;
}

/** Owner and permissions of a mount's own directory. @param root trusted path */
export function rootAttributes(root: string): Omit<MountAttributes, 'mtime'> {
  const { mode, uid, gid } = mountAttributes(lstatSync(root, { bigint: true }));
  return { mode, uid, gid };
}

/** Gives a mount's own directory what it had. @param root trusted path */
export function setRoot(root: string, attributes: Omit<MountAttributes, 'mtime'>): void {
  const directory = openRoot(root);
  try {
    setDirectory(directory, attributes);
  } finally {
    closeDirectory(directory);
  }
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
