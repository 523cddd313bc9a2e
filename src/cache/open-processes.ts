/** Which other processes have the store open: lmdb's table of readers knows, at no cost to them. */
import type { CacheIndex } from './index-db.js';

/**
 * Pids of the other processes that have read from the index and still have it open. Within a write
 * transaction the answer holds until its end for all that was read before it: whoever opens the
 * store later finds what that transaction leaves.
 */
export function otherProcesses({ environment }: CacheIndex): number[] {
  // Takes the rows of processes that are gone out of the table.
  environment.readerCheck();
  const pids = [...environment.readerList().matchAll(/^\s*(\d+)\s/gm)].map(([, pid]) =>
    Number(pid),
  );
  return [...new Set(pids)].filter((pid) => pid !== process.pid);
}
