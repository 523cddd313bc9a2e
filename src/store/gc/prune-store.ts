/** Prunes the store: measure, plan and remove in one transaction, then delete files. */
import { removeTree } from '../../fs/remove-tree.js';
import type { EntryFilter } from '../entries/cache-queries.js';
import type { Leftovers } from '../entries/remove-entries.js';
import { deleteLeftovers, listFiles, orphans, removeFromIndex } from '../entries/remove-entries.js';
import { listRecords, strayRecords } from '../index/stray-records.js';
import { getTables } from '../index/tables.js';
import { write } from '../index/transaction.js';
import type { MountSummary } from '../pins/cache-mounts.js';
import { listMounts, moveMountsAside } from '../pins/cache-mounts.js';
import { liveUses } from '../pins/uses.js';
import type { Store } from '../store.js';
import type { PruneInput } from './prune-input.js';
import type { PlannedItem, PrunePlan } from './prune-plan.js';
import { planAll, planToLimit } from './prune-plan.js';
import { measureLinked, readPruneInput } from './prune-state.js';
import { sweepStore } from './sweep.js';
import { setCacheBytes } from './totals.js';

/** What a prune removes. */
export interface PruneRequest {
  /** Bytes the cache may take; undefined: everything goes that fits the filter. */
  readonly keepBytes: number | undefined;
  /** Only what fits goes. */
  readonly filter: EntryFilter;
  /** Cache mounts go that were not used for so many ms (0: all); undefined: none. */
  readonly mountsUnusedFor: number | undefined;
}

/** What went, or would go. Bytes. */
export interface PruneReport {
  readonly items: readonly PlannedItem[];
  readonly mounts: readonly MountSummary[];
  /** Number of layers, with those that no entry knew any more. */
  readonly layers: number;
  /** What the file system got back; of a dry run what it would, without garbage of crashes. */
  readonly freed: number;
  /** What the cache takes now, without layers of named images and cache mounts. */
  readonly remaining: number;
  /** Pid of a process for which nothing was removed. */
  readonly heldBy: number | undefined;
}

function plan(input: PruneInput, { keepBytes }: PruneRequest): PrunePlan {
  return keepBytes === undefined ? planAll(input) : planToLimit(input, keepBytes);
}

function oldMounts(store: Store, unusedFor: number | undefined, now: number): MountSummary[] {
  if (unusedFor === undefined) return [];
  return listMounts(store).filter(({ lastUsed }) => now - lastUsed >= unusedFor);
}

/** What a prune would remove; nothing is changed. */
export function previewPrune(store: Store, request: PruneRequest): PruneReport {
  const now = Date.now();
  const uses = liveUses(getTables(store));
  const input = readPruneInput(getTables(store), measureLinked(store), uses, request.filter, now);
  const { items, layers, freed, remaining } = plan(input, request);
  const mounts = oldMounts(store, request.mountsUnusedFor, now).filter(
    ({ name }) => uses.everythingBy === undefined && !uses.mounts.has(name),
  );
  const mountBytes = mounts.reduce((sum, { bytes }) => sum + bytes, 0);
  return {
    items,
    mounts,
    layers: layers.size,
    freed: freed + mountBytes,
    remaining,
    heldBy: uses.everythingBy,
  };
}

function merge(a: Leftovers, b: Leftovers): Leftovers {
  return {
    layers: [...new Set([...a.layers, ...b.layers])],
    aside: [...a.aside, ...b.aside],
  };
}

/**
 * Removes what the request says, and garbage of processes that died. All of it leaves the index in
 * one transaction, which other processes see as a whole or not at all; what running processes use
 * is read in it as well (uses.ts says why that is enough). Files are measured before and deleted
 * after it, so that it takes milliseconds.
 */
export function prune(store: Store, request: PruneRequest): PruneReport {
  const index = getTables(store);
  const now = Date.now();
  const measured = measureLinked(store);
  const old = oldMounts(store, request.mountsUnusedFor, now);
  const listed = listFiles(store);
  const records = listRecords(index);
  const { planned, leftovers, moved, heldBy } = write(index, () => {
    const uses = liveUses(index);
    const planned = plan(readPruneInput(index, measured, uses, request.filter, now), request);
    const removed = removeFromIndex(store, planned);
    if (!uses.publishing) for (const { remove } of strayRecords(records)) remove();
    setCacheBytes(index, planned.remaining);
    const held = uses.everythingBy !== undefined;
    const names = held ? [] : old.map(({ name }) => name);
    return {
      planned,
      leftovers: merge(removed, orphans(store, listed, uses)),
      moved: moveMountsAside(store, names, uses),
      heldBy: uses.everythingBy,
    };
  });
  let freed = deleteLeftovers(store, leftovers);
  for (const path of moved.paths) freed += removeTree(path);
  freed += sweepStore(store);
  const gone = new Set(moved.names);
  return {
    items: planned.items,
    mounts: old.filter(({ name }) => gone.has(name)),
    layers: leftovers.layers.length,
    freed,
    remaining: planned.remaining,
    heldBy,
  };
}
