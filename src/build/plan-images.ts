/** The images that a plan is based on: resolved where their references say, or held by the store. */
import type { CacheIndex } from '../cache/index-db.js';
import type { ImageRecord, LayerId } from '../cache/records.js';
import { isKnownLayer } from '../cache/remote-layers.js';
import type { ResolvedImage } from '../oci/image.js';

/** Either of the two. */
export type PlanImage = ResolvedImage | StoredImage;

/** A build result or a pulled image; its layers are here. */
export interface StoredImage {
  readonly stored: ImageRecord;
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
export function knownLayers(
  index: CacheIndex,
  image: PlanImage | undefined,
): (LayerId | undefined)[] {
  if (image === undefined) return [];
  if ('stored' in image) return [...image.stored.layers];
  return image.layers.map(({ diffId }) => {
    const id = index.diffIds.get(diffId);
    return id !== undefined && isKnownLayer(index, id) ? id : undefined;
  });
}
