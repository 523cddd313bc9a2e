/** What is kept of base images between builds. */
import type { ResolvedImage } from '../../oci/resolved-image.js';
import { imagesWithManifest } from '../../store/images/image-ids.js';
import { findManifest, keepManifest } from '../../store/images/kept-manifests.js';
import type { KeptManifest } from '../../store/records.js';
import type { Store } from '../../store/store.js';
import type { PlanImage } from './plan-images.js';

/** What is kept of images, between builds. */
export interface KeptImages {
  /** An image of the store that was pulled by this digest. */
  readonly stored: (digest: string, platform: string) => PlanImage | undefined;
  readonly find: (digest: string) => KeptManifest | undefined;
  readonly keep: (image: ResolvedImage) => Promise<void>;
}

/** Those of a store. */
export function keptImages(store: Store): KeptImages {
  return {
    stored: (digest, platform) => {
      const found = imagesWithManifest(store, digest);
      const stored = found.find(
        (image) => image.manifest === digest && image.platform === platform,
      );
      return stored && { stored };
    },
    find: (digest) => findManifest(store, digest),
    keep: ({ rootDescriptor, manifestDescriptor, manifestBytes, configBytes }) => {
      const { digest, mediaType } = manifestDescriptor;
      const image = { mediaType, manifest: manifestBytes, config: configBytes };
      const index = rootDescriptor.digest === digest ? undefined : rootDescriptor.digest;
      return keepManifest(store, digest, image, index);
    },
  };
}
