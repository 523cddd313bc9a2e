/** Where ext4 puts the layers of a store on its disk. */
import { markTopDirectory } from '../../native/store-files.js';

/**
 * Marks a directory as the top of trees that have nothing to do with each other (chattr(1), `T`):
 * ext4 puts each of them where the disk is emptiest, and not all into one place. Without a journal,
 * as in many virtual machines for CI, ext4 takes no inode again that was freed within the last
 * minutes, and looks at each of them for every new file (recently_deleted in fs/ext4/ialloc.c of
 * Linux): where a tree of 20,000 files was removed just now, one of the same size takes 5 s instead
 * of 0.2 s. Other file systems don't know the mark and don't need it.
 */
export async function spreadDrafts(directory: string): Promise<void> {
  // Nothing but speed depends on it.
  await markTopDirectory(directory).catch(() => {});
}
