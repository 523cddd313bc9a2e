/** The files of a layer as a tree of digests: computed once, kept in the layer's record. */
import type { TreeDigest } from '../keys/digest.js';
import { digestLayer, opaqueDirectories } from '../layers/layer-digest.js';
import { updateLayer } from './entries.js';
import { layerFiles } from './layer-store.js';
import type { LayerRecord } from './records.js';
import type { IndexScanStore } from './scan-store.js';
import type { Store } from './store.js';

/** The tree of a layer; its files are read when nobody has digested it yet. */
export async function layerTree(
  store: Store,
  record: LayerRecord,
  scanStore: IndexScanStore,
): Promise<TreeDigest> {
  if (record.tree !== undefined) return record.tree;
  const path = layerFiles(store, record.id);
  const opaque = record.opaque ?? (await opaqueDirectories(path));
  const computed = await digestLayer(path, opaque, scanStore);
  // The record refers to tree nodes: they come first.
  scanStore.flush();
  updateLayer(store.index, record.id, { ...computed, opaque });
  return computed.tree;
}
