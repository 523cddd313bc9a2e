/** Is a file system full? */
import { statfsSync } from 'node:fs';

/** With fewer free bytes it counts as full: some blocks are reserved. */
const NO_ROOM_BYTES = 1 << 20;

/** @param path of a file or directory on it */
export function hasNoRoom(path: string): boolean {
  const { bavail, bsize, files, ffree } = statfsSync(path);
  return bavail * bsize < NO_ROOM_BYTES || (files > 0 && ffree === 0);
}
