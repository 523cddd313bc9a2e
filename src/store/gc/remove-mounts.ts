/** Removes cache mounts by name. */
import { removeTree } from '../../fs/remove-tree.js';
import { getTables } from '../index/tables.js';
import { write } from '../index/transaction.js';
import { moveMountsAside } from '../pins/cache-mounts.js';
import { liveUses } from '../pins/uses.js';
import type { Store } from '../store.js';

/**
 * Removes mounts that no running process uses.
 * @returns the names of those that went
 */
export function removeMounts(store: Store, names: readonly string[]): string[] {
  const index = getTables(store);
  const moved = write(index, () => {
    const uses = liveUses(index);
    return uses.everythingBy === undefined
      ? moveMountsAside(store, names, uses)
      : { names: [], paths: [] };
  });
  for (const path of moved.paths) removeTree(path);
  return moved.names;
}
