/** What a prune removes: pure, from what the cache holds to what goes, least valuable first. */

import type { LayerId } from '../records.js';
import type { PruneInput, PruneItem } from './prune-input.js';
import { getLayers, groupByLayer, topFirst } from './prune-input.js';
import { leastValuable } from './prune-order.js';

/** An item that goes, with the bytes that are free then and were not before. */
export interface PlannedItem {
  readonly item: PruneItem;
  readonly bytes: number;
}

/** What goes and what it brings. Bytes. */
export interface PrunePlan {
  /** In the order of removal. */
  readonly items: readonly PlannedItem[];
  readonly layers: ReadonlySet<LayerId>;
  readonly freed: number;
  /** What the cache takes after that, without what named images need. */
  readonly remaining: number;
}

/** Counts the users of each layer, and the bytes that are free when it has none. */
interface Ledger {
  readonly items: PlannedItem[];
  readonly layers: Set<LayerId>;
  readonly freed: () => number;
  readonly remove: (item: PruneItem) => void;
}

function createLedger({ items, own, shares, kept }: PruneInput): Ledger {
  const users = new Map<LayerId, number>([...own.keys()].map((id) => [id, 0]));
  // A blob goes with its layer, it does not hold it.
  const blobs = groupByLayer(
    items.filter(({ kind }) => kind === 'blob'),
    ({ layer }) => (layer === undefined ? [] : [layer]),
  );
  for (const item of items) {
    if (item.kind !== 'blob')
      for (const id of getLayers(item)) users.set(id, (users.get(id) ?? 0) + 1);
  }
  const freeable = shares
    .filter(({ elsewhere, holders }) => !elsewhere && !holders.some((id) => kept.has(id)))
    .map(({ holders, bytes }) => ({ holders, bytes, left: holders.length }));
  const getShares = groupByLayer(freeable, ({ holders }) => holders);
  const gone = new Set<PruneItem>();
  const planned: PlannedItem[] = [];
  const layers = new Set<LayerId>();
  let freed = 0;
  const note = (item: PruneItem, bytes: number) => {
    if (gone.has(item)) return;
    gone.add(item);
    planned.push({ item, bytes });
    freed += bytes;
  };
  const drop = (id: LayerId): number => {
    if (kept.has(id) || !own.has(id)) return 0;
    layers.add(id);
    for (const blob of blobs.get(id) ?? []) note(blob, blob.bytes);
    let bytes = own.get(id) ?? 0;
    for (const share of getShares.get(id) ?? []) {
      share.left -= 1;
      if (share.left === 0) bytes += share.bytes;
    }
    return bytes;
  };
  // Layers that nothing needs from the start: left behind by crashes and --no-cache.
  for (const [id, number] of users) if (number === 0) freed += drop(id);
  return {
    items: planned,
    layers,
    freed: () => freed,
    remove: (item) => {
      if (gone.has(item)) return;
      let { bytes } = item;
      for (const id of item.kind === 'blob' ? [] : getLayers(item)) {
        const left = (users.get(id) ?? 0) - 1;
        users.set(id, left);
        if (left === 0) bytes += drop(id);
      }
      note(item, bytes);
    },
  };
}

/** Bytes of the cache: everything but what named images need. */
function cacheBytes({ items, own, shares, named }: PruneInput): number {
  let bytes = 0;
  for (const [id, size] of own) if (!named.has(id)) bytes += size;
  for (const { holders, bytes: size } of shares)
    if (!holders.some((id) => named.has(id))) bytes += size;
  for (const item of items) bytes += item.bytes;
  return bytes;
}

/** Is the item part of what an image or a process needs? A blob is not: it is made again. */
function isKept({ kind, layer, base }: PruneItem, kept: ReadonlySet<LayerId>): boolean {
  if (kind === 'blob') return false;
  if (layer !== undefined) return kept.has(layer);
  return base.length > 0 && base.every((id) => kept.has(id));
}

function conclude(input: PruneInput, { items, layers, freed }: Ledger): PrunePlan {
  return { items, layers, freed: freed(), remaining: cacheBytes(input) - freed() };
}

/**
 * Plans to bring the cache within a size. A layer goes together with all that stands on it; of two
 * such heaps that of the smaller `keepingValue` goes first. Nothing that `kept` holds goes, and no
 * layer below something that is not removable. O(n log n) in the sum of all stack depths.
 * @param limit bytes that may be left, see `remaining`
 */
export function planToLimit(input: PruneInput, limit: number): PrunePlan {
  const ledger = createLedger(input);
  const before = cacheBytes(input);
  const need = () => before - ledger.freed() - limit;
  if (need() > 0) {
    for (const items of leastValuable(input, need)) {
      for (const item of items) ledger.remove(item);
      if (need() <= 0) break;
    }
  }
  return conclude(input, ledger);
}

/** Plans to remove these items in any case, and the layers that nothing needs then. */
export function planItems(input: PruneInput, items: readonly PruneItem[]): PrunePlan {
  const ledger = createLedger(input);
  for (const item of topFirst(items)) ledger.remove(item);
  return conclude(input, ledger);
}

/** Plans to remove all removable items that are not kept, and the layers that nothing needs then. */
export function planAll(input: PruneInput): PrunePlan {
  const items = input.items.filter((item) => item.removable && !isKept(item, input.kept));
  return planItems(input, items);
}
