/** Layers that were fetched become visible: those that are ready within a moment in one transaction. */
import { addCacheBytes } from '../gc/totals.js';
import type { CacheIndex } from '../index/index-db.js';
import type { Indexed } from '../index/tables.js';
import { getTables } from '../index/tables.js';
import { write } from '../index/transaction.js';
import { declareUse } from '../pins/uses.js';
import type { LayerId, LayerRecord } from '../records.js';
import { blobMark, layerMark, markUnsynced } from '../recovery/durability.js';

/** A layer whose files are in their place. */
export interface FetchedLayer {
  readonly diffId: string;
  readonly id: LayerId;
  readonly measures: Pick<
    LayerRecord,
    'files' | 'bytes' | 'disk' | 'opaque' | 'withoutXattrs' | 'blob'
  >;
  /** Puts its blob into its place; see placeBlob. */
  readonly place: () => void;
}

interface Waiting {
  readonly layer: FetchedLayer;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const waiting = new WeakMap<CacheIndex, Waiting[]>();

function put(index: CacheIndex, { diffId, id, measures, place }: FetchedLayer): void {
  place();
  const { key, digest } = index.remoteLayers.get(id) ?? { key: undefined, digest: undefined };
  const made = { key, created: Date.now(), digest, tree: undefined };
  const layer = { id, ...measures, ...made };
  index.files.layers.put(layer);
  index.files.remoteLayers.remove(id);
  index.layers.putSync(id, layer);
  index.remoteLayers.removeSync(id);
  index.diffIds.putSync(diffId, id);
  markUnsynced(index, layerMark(id));
  if (measures.blob) markUnsynced(index, blobMark(measures.blob.digest));
  addCacheBytes(index, measures.disk + (measures.blob?.size ?? 0));
}

function publish(index: CacheIndex): void {
  const all = waiting.get(index) ?? [];
  waiting.delete(index);
  try {
    write(index, () => {
      for (const { layer } of all) put(index, layer);
      declareUse(index, { layers: all.map(({ layer }) => layer.id) });
    });
  } catch (error) {
    for (const { reject } of all) reject(error);
    return;
  }
  for (const { resolve } of all) resolve();
}

/**
 * Makes a layer that was fetched visible: it is here from then on, in use by this process. A transaction waits for
 * the disk: others that are fetched at the same time are ready meanwhile, and share the next one.
 * @throws NoSpaceError, IndexReplacedError; none of those that share it is visible then
 */
export function publishFetchedLayer(store: Indexed, layer: FetchedLayer): Promise<void> {
  const index = getTables(store);
  return new Promise((resolve, reject) => {
    const others = waiting.get(index);
    if (others) others.push({ layer, resolve, reject });
    else {
      waiting.set(index, [{ layer, resolve, reject }]);
      setImmediate(() => publish(index));
    }
  });
}
