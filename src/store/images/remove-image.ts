/** Removes images: their names, and layers that nothing needs then. */

import { deleteLeftovers, removeFromIndex } from '../entries/remove-entries.js';
import { removeImageRow, removeName } from '../gc/drop.js';
import { planItems } from '../gc/prune-plan.js';
import { readPruneInput } from '../gc/prune-state.js';
import { addCacheBytes } from '../gc/totals.js';
import { getTables } from '../index/tables.js';
import { write } from '../index/transaction.js';
import { liveUses } from '../pins/uses.js';
import type { Store } from '../store.js';
import type { ImageRemoval } from './store-images.js';
import { getNames, isNamed, normalizeName } from './store-images.js';

const NOTHING = { removed: false, plan: undefined, leftovers: undefined };

/** What `removeImage` of images.ts does. */
export function removeImageRecord(
  store: Store,
  imageId: string,
  name: string | undefined,
): ImageRemoval {
  const index = getTables(store);
  const measured = { at: Number.POSITIVE_INFINITY, own: new Map(), shares: [] };
  const { untagged, removed, plan, leftovers } = write(index, () => {
    const image = index.images.get(imageId);
    // Another process may have been faster.
    if (!image) return { untagged: [], ...NOTHING };
    const wanted = name === undefined ? undefined : normalizeName(name);
    const untagged = getNames({ index }, imageId).filter(
      (key) => wanted === undefined || key === wanted,
    );
    for (const key of untagged) removeName(index, key);
    if (isNamed(index, imageId)) return { untagged, ...NOTHING };
    removeImageRow(index, image.id);
    // What stays belongs to the cache now.
    for (const id of image.layers) addCacheBytes(index, index.layers.get(id)?.disk ?? 0);
    const input = readPruneInput(index, measured, liveUses(index), {}, Date.now());
    const own = new Set(image.layers);
    const above = new Set(
      input.items.flatMap(({ kind, base }) => (kind === 'blob' ? [] : [...base])),
    );
    // Entries stay: they are the cache's, and the next build may find them.
    const pulled = input.items.filter(
      ({ kind, layer }) =>
        kind === 'pulled' && layer !== undefined && own.has(layer) && !above.has(layer),
    );
    const plan = planItems(input, pulled);
    return { untagged, removed: true, plan, leftovers: removeFromIndex(store, plan) };
  });
  const freedBytes = leftovers ? deleteLeftovers(store, leftovers) : 0;
  if (freedBytes > 0) write(index, () => addCacheBytes(index, -freedBytes));
  return { untagged, removed, layers: [...(plan?.layers ?? [])], freedBytes };
}
