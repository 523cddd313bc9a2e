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

/** A layer by its diffID. */
export interface WantedLayer {
  readonly diffId: string;
  /** Its record, if it is not known yet. */
  readonly facts: Pick<RemoteLayerRecord, 'digest' | 'key'>;
}

/** The layers with these diffIDs: those that are here, or that are to be fetched when they are needed. */
export function layersOfDiffIds(store: Indexed, wanted: readonly WantedLayer[]): LayerId[] {
  const index = getTables(store);
  const find = ({ diffId }: WantedLayer) => {
    const id = index.diffIds.get(diffId);
    return id !== undefined && isKnownLayer({ index }, id) ? id : undefined;
  };
  const known = wanted.flatMap((layer) => find(layer) ?? []);
  if (known.length === wanted.length) return known;
  const add = ({ diffId, facts }: WantedLayer): LayerId => {
    const id = newLayerId();
    const record = { id, diffId, ...facts };
    index.files.remoteLayers.put(record);
    index.remoteLayers.putSync(id, record);
    index.diffIds.putSync(diffId, id);
    return id;
  };
  // Another process may have been faster.
  return write(index, () => wanted.map((layer) => find(layer) ?? add(layer)));
}

/** The layer with a diffID. @param facts its record, if it is not known yet */
export function layerOfDiffId(
  store: Indexed,
  diffId: string,
  facts: WantedLayer['facts'],
): LayerId {
  const [id] = layersOfDiffIds(store, [{ diffId, facts }]);
  if (id === undefined) throw new Error(`no layer of ${diffId}`);
  return id;
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
