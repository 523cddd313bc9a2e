/**
 * Layers that are known by their diffID and not unpacked on this machine. Steps that the cache has
 * can be put on them as on any other; only a step that needs their files has to fetch them first.
 */
import type { CacheIndex } from '../index/index-db.js';
import type { Indexed } from '../index/tables.js';
import { getTables } from '../index/tables.js';
import { write } from '../index/transaction.js';
import type { LayerId, RemoteLayerRecord } from '../records.js';
import { hasLayer } from './find-layers.js';
import { newLayerId } from './layer-store.js';

/** Are the layer's files here, or is it known to be somewhere else? */
export function isKnownLayer(store: Indexed, id: LayerId): boolean {
  const index = getTables(store);
  return hasLayer(store, id) || index.remoteLayers.doesExist(id);
}

/** The diffID of a layer, here or not; undefined when it was never packed. */
export function getDiffId(store: Indexed, id: LayerId): string | undefined {
  const index = getTables(store);
  return index.layers.get(id)?.blob?.diffId ?? index.remoteLayers.get(id)?.diffId;
}

/**
 * The layer with a diffID: one that is here, or one that is to be fetched when it is needed.
 * @param facts its record, if it is not known yet
 */
export function layerOfDiffId(
  store: Indexed,
  diffId: string,
  facts: Pick<RemoteLayerRecord, 'digest' | 'key'>,
): LayerId {
  const index = getTables(store);
  const find = () => {
    const id = index.diffIds.get(diffId);
    return id !== undefined && isKnownLayer({ index }, id) ? id : undefined;
  };
  const known = find();
  if (known !== undefined) return known;
  return write(index, () => {
    // Another process may have been faster.
    const there = find();
    if (there !== undefined) return there;
    const id = newLayerId();
    const record = { id, diffId, ...facts };
    index.files.remoteLayers.put(record);
    index.remoteLayers.putSync(id, record);
    index.diffIds.putSync(diffId, id);
    return id;
  });
}

function forget(index: CacheIndex, id: LayerId): void {
  const diffId = index.remoteLayers.get(id)?.diffId;
  index.files.remoteLayers.remove(id);
  index.remoteLayers.removeSync(id);
  if (diffId !== undefined && index.diffIds.get(diffId) === id) index.diffIds.removeSync(diffId);
}

/**
 * Removes rows of layers that are not here and that no entry speaks of any more. Part of the caller's
 * write transaction. A build that has just found one finds it missing, and begins again.
 */
export function forgetUnreferenced(index: CacheIndex): void {
  if (index.remoteLayers.getCount() === 0) return;
  const needed = new Set<LayerId>();
  for (const { value } of index.steps.getRange()) {
    const { layer, base, readLayers } = value;
    if (layer !== undefined) needed.add(layer);
    for (const id of [base, ...readLayers].flat()) needed.add(id);
  }
  for (const { key } of [...index.remoteLayers.getRange()])
    if (!needed.has(key)) forget(index, key);
}

/** Gives up layers that no source delivers any more; entries that need them are no hits from now on. */
export function forgetRemoteLayers(store: Indexed, ids: readonly LayerId[]): void {
  const index = getTables(store);
  write(index, () => {
    for (const id of ids) forget(index, id);
  });
}
