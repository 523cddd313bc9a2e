/** The files of a layer as a tree of digests: computed once, kept in the layer's record. */

import { digestLayer } from '../../fs/layer/layer-digest.js';
import type { TreeDigest } from '../../keys/digest.js';
import { updateLayer, updateLayers } from '../entries/entries.js';
import type { IndexScanStore } from '../entries/scan-store.js';
import { getTables } from '../index/tables.js';
import type { LayerId, LayerRecord } from '../records.js';
import type { Store } from '../store.js';
import { readMarks } from './layer-marks.js';
import { layerFiles } from './layer-store.js';

/** What is written at once: a transaction waits for the disk, and keeps other processes waiting. */
const BATCH_LAYERS = 256;
const BATCH_FILES = 20_000;

type Computed = Partial<LayerRecord> & { readonly tree: TreeDigest };

async function computeTree(
  store: Store,
  record: LayerRecord,
  scanStore: IndexScanStore,
): Promise<Computed> {
  const marks = await readMarks(store, record.id);
  const digests = await digestLayer(layerFiles(store, record.id), marks.opaque, scanStore);
  return { ...marks, ...digests };
}

/** The tree of a layer. The layer's files are read if it has no digest yet. */
export async function layerTree(
  store: Store,
  record: LayerRecord,
  scanStore: IndexScanStore,
): Promise<TreeDigest> {
  if (record.tree !== undefined) return record.tree;
  const computed = await computeTree(store, record, scanStore);
  updateLayer(getTables(store), record.id, computed, scanStore.unwritten());
  return computed.tree;
}

/** Gives the trees of many published layers, one after the other. */
export function layerTrees(store: Store, scanStore: IndexScanStore) {
  const changes = new Map<LayerId, Partial<LayerRecord>>();
  let files = 0;
  /** Keeps what was computed. */
  const keep = (): void => {
    if (changes.size === 0) return;
    updateLayers(getTables(store), changes, scanStore.unwritten());
    changes.clear();
    files = 0;
  };
  const treeOf = async (record: LayerRecord): Promise<TreeDigest> => {
    if (record.tree !== undefined) return record.tree;
    const computed = await computeTree(store, record, scanStore);
    changes.set(record.id, computed);
    files += record.files;
    if (changes.size >= BATCH_LAYERS || files >= BATCH_FILES) keep();
    return computed.tree;
  };
  return { treeOf, keep };
}
