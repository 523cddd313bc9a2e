/** Digests of layers: each layer is read once for its own, in this process, and the index keeps it. */
import { digestLayer } from '../../fs/layer/layer-digest.js';
import type { LayerDigest } from '../../keys/digest.js';
import { updateLayer } from '../entries/entries.js';
import type { IndexScanStore } from '../entries/scan-store.js';
import { getTables } from '../index/tables.js';
import type { LayerId } from '../records.js';
import type { Store } from '../store.js';
import { findLayer } from './find-layers.js';
import { getOpaque } from './layer-marks.js';
import { layerFiles } from './layer-store.js';

async function readDigest(
  store: Store,
  scanStore: IndexScanStore,
  id: LayerId,
  bring: () => Promise<void>,
): Promise<LayerDigest> {
  await bring();
  const opaque = await getOpaque(store, id);
  const { withoutXattrs } = findLayer(store, id) ?? {};
  const computed = await digestLayer(layerFiles(store, id), opaque, scanStore, withoutXattrs);
  // The build may fail, or be killed, before it writes anything else: the record would refer to nodes that nobody has.
  updateLayer(getTables(store), id, computed, scanStore.unwritten());
  return computed.digest;
}

/**
 * Digests of layers, in their order. One that is not in the index is computed from the layer's files, and kept there.
 * @param bring makes sure that the files of a layer are here, before they are read
 * @throws what `bring` throws
 */
export async function layerDigests(
  store: Store,
  scanStore: IndexScanStore,
  layers: readonly LayerId[],
  bring: (id: LayerId) => Promise<void> = async () => {},
): Promise<LayerDigest[]> {
  const { digesting, remoteLayers } = getTables(store);
  const begin = (id: LayerId): Promise<LayerDigest> => {
    const reading = readDigest(store, scanStore, id, () => bring(id)).finally(() => {
      digesting.delete(id);
    });
    digesting.set(id, reading);
    return reading;
  };
  const digests: LayerDigest[] = [];
  for (const id of layers) {
    const known = (findLayer(store, id) ?? remoteLayers.get(id))?.digest;
    if (known !== undefined) {
      digests.push(known);
      continue;
    }
    // Another build of this process may be stopped, or lack the rights to bring the layer: this one reads it itself.
    let digest: LayerDigest | undefined;
    for (let other = digesting.get(id); other && !digest; other = digesting.get(id))
      digest = await other.catch(() => undefined);
    digests.push(digest ?? (await begin(id)));
  }
  return digests;
}

/** Waits for those of these layers that are being digested: what was read of them need not be read again. */
export async function awaitDigests(store: Store, layers: readonly LayerId[]): Promise<void> {
  const { digesting } = getTables(store);
  // Who began it hears of a failure.
  await Promise.allSettled(layers.map((id) => digesting.get(id)));
}
