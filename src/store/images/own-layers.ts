/** Which layers of an image its own build has made: only their files get the times of the build. */
import { countOwnLayers } from '../../oci/config-blob.js';
import type { Indexed } from '../index/tables.js';
import { getTables } from '../index/tables.js';
import type { ImageRecord } from '../records.js';

/**
 * For each layer, bottom first. The image says it, and not the layer: one and the same may have been made by a step
 * of this store, or have come with a base image.
 */
export function ownLayers(store: Indexed, image: ImageRecord): boolean[] {
  const { layers, history } = image;
  const own = countOwnLayers(image);
  if (history.length > 0) return layers.map((_, at) => at >= layers.length - own);
  const records = getTables(store).layers;
  return layers.map((id) => records.get(id)?.key !== undefined);
}
