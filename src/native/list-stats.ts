/** What lstat(2) says of many files at once. */
import { ASK } from './frames.js';
import type { NamedFiles } from './named-files.js';
import { requestListed } from './named-files.js';

/** st_mode, ino, dev, ctime, size, mtime, uid, gid, nlink, rdev; times in ms, as Node has them. */
export const STAT_FIELDS = 10;

/** In the place of st_mode: of a file that is not there, and of one whose directory is not. */
export const FILE_GONE = 0;
export const DIRECTORY_GONE = -1;

/**
 * @param root trusted path
 * @returns STAT_FIELDS numbers for each file, in the order of `files`
 * @throws the file system's errors, IsolationError
 */
export async function statListed(
  root: string,
  files: readonly NamedFiles[],
): Promise<Float64Array> {
  const count = files.reduce((sum, { names }) => sum + names.length, 0);
  const numbers = new Float64Array(count * STAT_FIELDS);
  const bytes = new Uint8Array(numbers.buffer);
  await requestListed(ASK.stats, root, files, (first) => {
    let at = first * STAT_FIELDS * Float64Array.BYTES_PER_ELEMENT;
    return (records) => {
      bytes.set(records, at);
      at += records.length;
    };
  });
  return numbers;
}
