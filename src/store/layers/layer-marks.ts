/** What the attributes of a layer's files say: asked once, kept in the layer's record. */
import { readLayerMarks } from '../../fs/scan/tree-xattrs.js';
import { updateLayer } from '../entries/entries.js';
import { getTables } from '../index/tables.js';
import type { LayerId, LayerRecord } from '../records.js';
import type { Store } from '../store.js';
import { findLayer } from './find-layers.js';
import { layerFiles } from './layer-store.js';

type Marks = Pick<LayerRecord, 'opaque' | 'withoutXattrs'> & { readonly opaque: readonly string[] };

/**
 * The marks of a layer that is here, from its record or from its files.
 * @throws the file system's errors, IsolationError
 */
export async function readMarks(store: Store, id: LayerId): Promise<Marks> {
  const { opaque, withoutXattrs } = findLayer(store, id) ?? {};
  if (opaque === undefined) return readLayerMarks(layerFiles(store, id));
  return withoutXattrs === undefined ? { opaque } : { opaque, withoutXattrs };
}

/**
 * The opaque directories of a layer that is here, relative to it.
 * @throws the file system's errors, IsolationError
 */
export async function getOpaque(store: Store, id: LayerId): Promise<readonly string[]> {
  const known = findLayer(store, id)?.opaque;
  if (known !== undefined) return known;
  const marks = await readLayerMarks(layerFiles(store, id));
  updateLayer(getTables(store), id, marks);
  return marks.opaque;
}
