/** The files of a layer as a tree of digests: computed once, kept in the layer's record. */

import { digestLayer } from '../../fs/layer/layer-digest.js';
import type { TreeDigest } from '../../keys/digest.js';
import { updateLayer } from '../entries/entries.js';
import type { IndexScanStore } from '../entries/scan-store.js';
import { getTables } from '../index/tables.js';
import type { LayerRecord } from '../records.js';
import type { Store } from '../store.js';
import { getOpaque } from './layer-marks.js';
import { layerFiles } from './layer-store.js';

/** The tree of a layer. The layer's files are read if it has no digest yet. */
export async function layerTree(
  store: Store,
  record: LayerRecord,
  scanStore: IndexScanStore,
): Promise<TreeDigest> {
  if (record.tree !== undefined) return record.tree;
  const opaque = await getOpaque(store, record.id);
  const computed = await digestLayer(layerFiles(store, record.id), opaque, scanStore);
  updateLayer(getTables(store), record.id, computed, scanStore.unwritten());
  return computed.tree;
}
