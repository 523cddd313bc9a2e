/**
 * Clears up after processes that were killed, at the beginning of a command, by the first process that comes;
 * and after this one, when it is stopped.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { removeTree } from '../../fs/remove-tree.js';
import type { CacheIndex } from '../index/index-db.js';
import { readNotes } from '../index/record-files.js';
import { repairNoted } from '../index/repair-record.js';
import { getTables } from '../index/tables.js';
import { write } from '../index/transaction.js';
import { isPublished } from '../layers/find-layers.js';
import { removeLayer } from '../layers/layer-store.js';
import type { ProcessId } from '../pins/live-process.js';
import { getProcess } from '../pins/live-process.js';
import type { LayerId } from '../records.js';
import type { Store } from '../store.js';

function isOthersDraft({ paths }: Store, name: string, id: LayerId): boolean {
  const owner = name.startsWith(`${id}.`) ? getProcess(name) : undefined;
  return owner !== undefined && paths.self.isAlive(owner);
}

/** Processes whose work no other process continues. */
type IsGone = (process: ProcessId) => boolean;

/** Drafts, and layers that were placed but not published; see cache-format.md, "Publishing". */
function sweepDrafts(store: Store, isGone: IsGone): number {
  const { paths } = store;
  const index = getTables(store);
  let freed = 0;
  for (const name of readdirSync(paths.tmp)) {
    const owner = getProcess(name);
    if (owner === undefined || !isGone(owner)) continue;
    const notes = readNotes(paths.tmp, name);
    const id = name.slice(0, name.indexOf('.')) as LayerId;
    try {
      if (notes && notes.length > 0) write(index, () => repairNoted(index, notes));
      // A layer that entries know by its name is fetched under it again.
      const taken = readdirSync(paths.tmp).some(
        (other) => other !== name && isOthersDraft(store, other, id),
      );
      // Asked last: its owner, or who fetched it again, may have published it and ended a moment ago.
      if (!notes && !taken && !isPublished(store, id)) removeLayer(paths, id);
      freed += removeTree(join(paths.tmp, name));
    } catch {
      // A cp(1) that outlived its wiac may still be writing there, or another process is sweeping:
      // garbage can wait, it must not make a build fail.
    }
  }
  return freed;
}

function sweepLeases(index: CacheIndex, isGone: IsGone): void {
  // Read once more: the dead owner may have given it back before it ended, and another process may have it now.
  const voids = () =>
    index.leases
      .list()
      .filter(({ key, process }) => isGone(process) && index.leases.get(key) === process);
  if (voids().length === 0) return;
  // Another process may be taking one of them over.
  write(index, () => {
    for (const { key } of voids()) index.leases.remove(key);
  });
}

/** Removes drafts and leases of processes that are gone. @returns bytes of drafts that were freed */
export function sweepStore(store: Store): number {
  const { self } = store.paths;
  const isGone: IsGone = (owner) => !self.isAlive(owner);
  sweepLeases(getTables(store), isGone);
  const freed = sweepDrafts(store, isGone);
  self.sweep();
  return freed;
}

/** Removes drafts and leases of this process, which goes on with none of them. */
export function sweepOwn(store: Store): void {
  const isGone: IsGone = (owner) => owner === store.paths.self.id;
  sweepLeases(getTables(store), isGone);
  sweepDrafts(store, isGone);
}
