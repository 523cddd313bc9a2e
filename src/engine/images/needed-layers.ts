/**
 * Layers whose files are needed now. Cache hits go by digests alone; files are fetched when a step
 * runs on them or reads them, and for the result.
 */

import { ImageError } from '../../oci/image-error.js';
import type { ResolvedImage, ResolvedLayer } from '../../oci/resolved-image.js';
import { findRemoteLayer, hasLayer } from '../../store/layers/find-layers.js';
import { layerOfDiffId } from '../../store/layers/remote-layers.js';
import type { LayerId } from '../../store/records.js';
import type { LookupSession } from '../build-session.js';
import type { TransferKind } from '../events.js';

/** A place that has a layer, open during this build. */
export interface LayerOrigin {
  readonly layer: ResolvedLayer;
  /** Reference of what has it, if that is a cache in a registry. */
  readonly registry?: string | undefined;
  /** It is a layer of a base image. */
  readonly ofBase?: true;
  /** It has delivered other bytes. */
  readonly isDamaged?: () => boolean;
  /** False once the place has failed. */
  readonly isUsable: () => boolean;
  /** Told that it did not deliver the layer. @throws when that ends the build */
  readonly reportFailure: (error: ImageError) => void;
}

/** Places by diffID, in the order in which they are asked. */
export type LayerOrigins = Map<string, LayerOrigin[]>;

/** What fetching layers needs of a build. */
export type LayerSession = Pick<LookupSession, 'store' | 'signal' | 'origins' | 'meter'>;

/**
 * Layers that entries were found with and that no source has any more. The build gives them up and
 * resolves its steps again; those that made them are no hits then.
 */
export class MissingLayersError extends Error {
  readonly layers: readonly LayerId[];

  constructor(layers: readonly LayerId[]) {
    super(`layers that are neither here nor anywhere else: ${layers.join(', ')}`);
    this.layers = layers;
  }
}

/** Adds a place that a layer can be fetched from. */
export function addOrigin(origins: LayerOrigins, origin: LayerOrigin): void {
  const { diffId } = origin.layer;
  const known = origins.get(diffId) ?? [];
  if (known.every(({ layer }) => layer !== origin.layer)) origins.set(diffId, [...known, origin]);
}

/** Has a place been seen to have other bytes under this name? */
export function isDamagedThere(
  origins: LayerOrigins,
  { diffId, digest }: { readonly diffId: string; readonly digest: string },
): boolean {
  const places = origins.get(diffId) ?? [];
  return places.some((one) => one.isDamaged?.() && one.layer.descriptor.digest === digest);
}

/** The place to fetch a layer from now; undefined when there is none. */
export function usableOrigin(origins: LayerOrigins, diffId: string): LayerOrigin | undefined {
  return origins.get(diffId)?.find(({ isUsable }) => isUsable());
}

/** The layers of a base image, bottom first, fetched or not. */
export function imageLayers(
  { store, origins }: Pick<LayerSession, 'store' | 'origins'>,
  image: ResolvedImage,
): LayerId[] {
  return image.layers.map((layer) => {
    const id = layerOfDiffId(store, layer.diffId, { digest: undefined, key: undefined });
    const reportFailure = (error: ImageError) => {
      throw error;
    };
    // Nothing can replace a base image.
    if (!hasLayer(store, id))
      addOrigin(origins, { layer, ofBase: true, isUsable: () => true, reportFailure });
    return id;
  });
}

/** See fetchLayer. */
type Fetch = (layer: ResolvedLayer, id: LayerId, what: TransferKind) => Promise<LayerId>;

/** @returns whether the layer is here now */
async function fetchFromOrigins(
  session: LayerSession,
  id: LayerId,
  fetch: Fetch,
): Promise<boolean> {
  const { origins, store } = session;
  const diffId = findRemoteLayer(store, id)?.diffId;
  if (diffId === undefined) return hasLayer(store, id);
  for (let at = usableOrigin(origins, diffId); at; at = usableOrigin(origins, diffId)) {
    try {
      await fetch(at.layer, id, at.ofBase ? 'pull' : 'cache import');
      return true;
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      at.reportFailure(error);
    }
  }
  return false;
}

/**
 * Makes sure that the files of layers are here.
 * @throws MissingLayersError for those that no place delivers; ImageError when a base image or a
 *   cache that is required fails
 */
export async function needLayers(session: LayerSession, layers: readonly LayerId[]): Promise<void> {
  const { store } = session;
  const absent = layers.filter((id) => !hasLayer(store, id));
  if (absent.length === 0) return;
  const { fetchingLayers, fetchLayer } = await import('./fetch-layer.js');
  // Whatever the first failure is, nothing goes on behind the back of who handles it.
  const fetched = await fetchingLayers(session, (shared, slot) => {
    const fetch: Fetch = (...wanted) => fetchLayer(shared, ...wanted);
    return Promise.allSettled(absent.map((id) => slot(() => fetchFromOrigins(session, id, fetch))));
  });
  for (const result of fetched) if (result.status === 'rejected') throw result.reason;
  const missing = absent.filter((_, at) => {
    const result = fetched[at];
    return result?.status !== 'fulfilled' || !result.value;
  });
  if (missing.length > 0) throw new MissingLayersError(missing);
}
