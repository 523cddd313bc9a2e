/**
 * Layers that this process has placed and not published yet: it can use them, no other process sees
 * them. They are under the leases of their steps, so that none takes them for garbage.
 */
import type { Indexed } from '../index/tables.js';
import { getTables } from '../index/tables.js';
import type { LayerId, LayerRecord } from '../records.js';

/** From now on this process takes the layer for one that is there. */
export function addUnpublished(store: Indexed, layer: LayerRecord): void {
  getTables(store).unpublished.set(layer.id, layer);
}

/** Its record, with what has been found out about it. */
export function unpublishedLayer(store: Indexed, id: LayerId): LayerRecord | undefined {
  return getTables(store).unpublished.get(id);
}

/** It is published, or given up. */
export function dropUnpublished(store: Indexed, id: LayerId): void {
  getTables(store).unpublished.delete(id);
}
