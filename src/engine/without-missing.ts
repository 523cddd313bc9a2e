/** Layers that turn out to be missing while a plan is resolved. */
import { forgetRemoteLayers } from '../store/layers/remote-layers.js';
import { removeLeftLeases } from '../store/pins/lease.js';
import { LayersGoneError } from '../store/pins/uses.js';
import type { LayerId } from '../store/records.js';
import type { Store } from '../store/store.js';
import { MissingLayersError } from './images/needed-layers.js';

/**
 * Does something again as long as layers are missing that the cache knew of and that no source has
 * any more: they are given up, and it is done without them.
 * @throws LayersGoneError for a layer that is missed again, although it was given up: then the index
 *   contradicts itself
 */
export async function withoutMissing<T>(store: Store, action: () => Promise<T>): Promise<T> {
  const givenUp = new Set<LayerId>();
  for (;;) {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof MissingLayersError)) throw error;
      if (error.layers.some((id) => givenUp.has(id))) throw new LayersGoneError(error.layers);
      for (const id of error.layers) givenUp.add(id);
      forgetRemoteLayers(store, error.layers);
      removeLeftLeases(store);
    }
  }
}
