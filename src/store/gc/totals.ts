/**
 * A running total of what could be removed from the cache, so that asking "is the cache too large?"
 * reads one number. It is an upper bound: whatever is written adds to it, a layer that becomes that
 * of a named image is not taken off. Each prune, which knows better, sets it right.
 */

import type { CacheIndex } from '../index/index-db.js';
import type { Indexed } from '../index/tables.js';
import { getTables } from '../index/tables.js';
import type { LayerRecord } from '../records.js';

const CACHE_BYTES = 'cacheBytes';

/** Bytes that a layer takes besides those it shares with layers that were there before it. */
export function addedBytes({ disk, links }: Pick<LayerRecord, 'disk' | 'links'>): number {
  return disk - (links?.disk ?? 0);
}

/** Adds to the total; part of the caller's write transaction. */
export function addCacheBytes(index: CacheIndex, bytes: number): void {
  if (bytes !== 0)
    index.totals.putSync(CACHE_BYTES, Math.max(0, readCacheBytes({ index }) + bytes));
}

/** Sets the total right; part of the caller's write transaction. */
export function setCacheBytes(index: CacheIndex, bytes: number): void {
  index.totals.putSync(CACHE_BYTES, bytes);
}

/** At most so many bytes of the cache are not needed by an image with a name. */
export function readCacheBytes(store: Indexed): number {
  const index = getTables(store);
  return index.totals.get(CACHE_BYTES) ?? 0;
}
