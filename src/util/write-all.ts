/** write(2) may take a part only: of a file whose disk is about to be full, say. */
import { writeSync } from 'node:fs';

/**
 * Writes all bytes.
 * @param position where in the file; by default where the last write ended
 * @throws ENOSPC and what else write(2) says: it says so when the part that it took is written on
 */
export function writeAll(fd: number, bytes: Uint8Array, position?: number): void {
  for (let done = 0; done < bytes.length; ) {
    const at = position === undefined ? null : position + done;
    done += writeSync(fd, bytes, done, bytes.length - done, at);
  }
}
