/**
 * Which files of a new layer may not be on disk. With one file changed of 20,000, all others are links into a layer
 * that is on disk: to look at each of them takes longer than all else of a sync.
 *
 * Only the process that made the layer knows: another one that puts it on disk looks at all of its files.
 */
import type { CacheIndex } from '../index/index-db.js';
import type { LayerId } from '../records.js';
import { layerMark } from './durability.js';

/** Files of a layer, and where the others of it are links from. */
export interface FreshFiles {
  /** Of files, and of trees of such files. Relative to the layer. */
  readonly paths: readonly string[];
  readonly former: LayerId;
}

/**
 * Notes the files of a layer that is being published, if the others are certainly on disk. Part of the caller's write
 * transaction.
 */
export function noteFresh(index: CacheIndex, layer: LayerId, { paths, former }: FreshFiles): void {
  // A layer that was removed has no mark either, and may not have been on disk.
  if (!index.layers.doesExist(former) || index.unsynced.doesExist(layerMark(former))) return;
  index.fresh.set(layer, paths);
}
