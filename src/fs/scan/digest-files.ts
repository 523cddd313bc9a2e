/** Reads the regular files of a scan, by wiac-sys. */
import type { FileDigest } from '../../keys/digest.js';
import { digestListed } from '../../native/digest-listed.js';
import type { Content } from '../read.js';
import { byRoot } from './by-root.js';
import type { Scanned } from './listing.js';

/**
 * @param onFile is not called for what has become something else, or can't be read: the caller looks
 *   at that itself
 * @throws IsolationError
 */
export async function digestFiles(
  files: readonly Scanned[],
  onFile: (file: Scanned, content: Content) => void,
): Promise<void> {
  const reading = [...byRoot(files)].map(async ([root, directories]) => {
    const inOrder = directories.flatMap((directory) => directory.files);
    const listed = directories.map((directory) => ({
      ...directory,
      bytes: directory.files.map(({ stats }) => stats.size),
    }));
    try {
      await digestListed(root, listed, (index, size, digest) => {
        const file = inOrder[index];
        if (file) onFile(file, { digest: digest as FileDigest, size });
      });
    } catch (error) {
      // It says nothing of the others either, and the caller will say of which file this is.
      if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    }
  });
  await Promise.all(reading);
}
