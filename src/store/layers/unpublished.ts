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

/** @returns its record, to be published now or to be forgotten */
export function dropUnpublished(store: Indexed, id: LayerId): LayerRecord | undefined {
  const { unpublished } = getTables(store);
  const layer = unpublished.get(id);
  unpublished.delete(id);
  return layer;
}
