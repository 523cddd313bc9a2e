/** Does a file system take what is written to it? */
import { mkdtempSync, rmdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';

/** With fewer free bytes it counts as full: some blocks are reserved. */
const NO_ROOM_BYTES = 1 << 20;

/** @param path of a file or directory on it */
export function hasNoRoom(path: string): boolean {
  const { bavail, bsize, files, ffree } = statfsSync(path);
  return bavail * bsize < NO_ROOM_BYTES || (files > 0 && ffree === 0);
}

/** Read-only; shut down, or on a disk with errors; damaged. */
const NO_WRITES = new Set(['EROFS', 'EIO', 'EUCLEAN']);

/**
 * A disk with errors makes its file system read-only while programs use it. Nothing but a write tells: its mounts may well
 * call it writable.
 * @param directory on it, which is ours
 */
export function takesNoWrites(directory: string): boolean {
  try {
    rmdirSync(mkdtempSync(join(directory, 'probe-')));
    return false;
  } catch (error) {
    return NO_WRITES.has((error as NodeJS.ErrnoException).code ?? '');
  }
}
