/** The images that a plan is based on: resolved where their references say, held by the store, or kept by others. */

import type { InPlaceImage } from '../../oci/in-place.js';
import type { ResolvedImage } from '../../oci/resolved-image.js';
import { adoptedId } from '../../store/layers/adopt-layer.js';
import { hasLayer, layerByDiffId } from '../../store/layers/find-layers.js';
import { isKnownLayer } from '../../store/layers/remote-layers.js';
import type { ImageRecord, LayerId } from '../../store/records.js';
import type { Store } from '../../store/store.js';

/** One of the three. */
export type PlanImage = ResolvedImage | StoredImage | LocalImage;

/** A build result or a pulled image; its layers are here. */
export interface StoredImage {
  readonly stored: ImageRecord;
}

/** An image whose layers another program keeps on this machine. */
export interface LocalImage {
  readonly inPlace: InPlaceImage;
}

/** What tells two images of a plan apart: one reference may be needed for several platforms. */
export interface ImageRequest {
  readonly reference: string;
  readonly platform: string;
}

/** Images by reference and platform. */
export interface PlanImages {
  readonly get: (request: ImageRequest) => PlanImage | undefined;
  readonly set: (request: ImageRequest, image: PlanImage) => void;
}

/** An empty collection. */
export function planImages(): PlanImages {
  const images = new Map<string, PlanImage>();
  const key = ({ reference, platform }: ImageRequest) => `${platform} ${reference}`;
  return {
    get: (request) => images.get(key(request)),
    set: (request, image) => {
      images.set(key(request), image);
    },
  };
}

/** Layers of an image, bottom first; undefined in the place of those that would have to be pulled. */
export function knownLayers(store: Store, image: PlanImage | undefined): (LayerId | undefined)[] {
  if (image === undefined) return [];
  if ('stored' in image) return [...image.stored.layers];
  if ('inPlace' in image)
    return image.inPlace.layers.map((layer) => {
      const id = adoptedId(layer);
      return hasLayer(store, id) ? id : undefined;
    });
  return image.layers.map(({ diffId }) => {
    const id = layerByDiffId(store, diffId);
    return id !== undefined && isKnownLayer(store, id) ? id : undefined;
  });
}
