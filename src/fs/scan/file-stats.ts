/** What lstat says of a file, as far as it is of interest. */
import type { Stats } from 'node:fs';
import { constants } from 'node:fs';

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

// Asked for each file: Node's object of constants is slow to look at.
const { S_IFMT } = constants;

/** The kind of a file by its st_mode (inode(7)). */
export function getKind(mode: number): FileKind {
  return KINDS.get(mode & S_IFMT) ?? 'file';
}

const PERMISSIONS = 0o7777;

/** lstat's answer in this form. */
export function fileStats(stats: Stats): FileStats {
  const { uid, gid, size, mtimeMs, ctimeMs, ino, dev, rdev, nlink } = stats;
  const mode = stats.mode & PERMISSIONS;
  return {
    kind: getKind(stats.mode),
    mode,
    uid,
    gid,
    size,
    mtimeMs,
    ctimeMs,
    ino,
    dev,
    rdev,
    nlink,
  };
}
