/** What the store knows of layers. */

import { updateLayer } from '../entries/entries.js';
import type { Indexed } from '../index/tables.js';
import { getTables } from '../index/tables.js';
import { refresh } from '../index/transaction.js';
import type { ArchiveRecord, LayerId, LayerRecord, RemoteLayerRecord } from '../records.js';

/** Are the layer's files on this machine, as all processes see it from now on? What says no may be removed. */
export function isPublished(store: Indexed, id: LayerId): boolean {
  const index = getTables(store);
  refresh(index);
  return index.layers.doesExist(id);
}

/** Are the layer's files on this machine? */
export function hasLayer(store: Indexed, id: LayerId): boolean {
  const { layers, unpublished } = getTables(store);
  return unpublished.has(id) || layers.doesExist(id);
}

/** A layer whose files are on this machine. */
export function findLayer(store: Indexed, id: LayerId): LayerRecord | undefined {
  const { layers, unpublished } = getTables(store);
  return unpublished.get(id) ?? layers.get(id);
}

/** All layers whose files are on this machine. */
export function* allLayers(store: Indexed): Generator<LayerRecord> {
  for (const { value } of getTables(store).layers.getRange()) yield value;
}

/** A layer that entries refer to and whose files are elsewhere. */
export function findRemoteLayer(store: Indexed, id: LayerId): RemoteLayerRecord | undefined {
  return getTables(store).remoteLayers.get(id);
}

/** The layer with an archive of this digest, here or elsewhere (image-spec, "diff_ids"). */
export function layerByDiffId(store: Indexed, diffId: string): LayerId | undefined {
  return getTables(store).diffIds.get(diffId);
}

/** Keeps what packing a layer told of its archive. */
export function noteArchive(store: Indexed, id: LayerId, archive: ArchiveRecord): void {
  updateLayer(getTables(store), id, { archive });
}
