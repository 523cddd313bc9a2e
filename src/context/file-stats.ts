/**
 * What lstat says of a file, in a record of its own: 20,000 of Node's Stats, each with four Date
 * objects, keep the garbage collector busy for longer than the system calls take.
 */

import type { Stats } from 'node:fs';
import { constants, lstatSync } from 'node:fs';

export type FileKind = 'file' | 'dir' | 'symlink' | 'char' | 'block' | 'fifo' | 'socket';

/** Times in ms since the epoch, sizes in bytes. */
export interface FileStats {
  readonly kind: FileKind;
  /** Permission bits with setuid, setgid and sticky: 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly ino: number;
  readonly dev: number;
  readonly rdev: number;
  readonly nlink: number;
}

const KINDS: ReadonlyMap<number, FileKind> = new Map([
  [constants.S_IFSOCK, 'socket'],
  [constants.S_IFLNK, 'symlink'],
  [constants.S_IFREG, 'file'],
  [constants.S_IFBLK, 'block'],
  [constants.S_IFDIR, 'dir'],
  [constants.S_IFCHR, 'char'],
  [constants.S_IFIFO, 'fifo'],
]);

/** The record of a Node Stats. */
export function fileStats(stats: Stats): FileStats {
  const { mode, uid, gid, size, mtimeMs, ctimeMs, ino, dev, rdev, nlink } = stats;
  const kind = KINDS.get(mode & constants.S_IFMT) ?? 'file';
  return { kind, mode: mode & 0o7777, uid, gid, size, mtimeMs, ctimeMs, ino, dev, rdev, nlink };
}

/** lstat(2). @throws the file system's error when the file is not there */
export function readStats(path: string): FileStats {
  return fileStats(lstatSync(path));
}
