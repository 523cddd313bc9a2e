/** Images whose layers are directories of this machine, to be used where they are. */
import type { Digest, ImageConfig } from './resolved-image.js';

/** A layer in the form that overlayfs takes, kept by another program. */
export interface InPlaceLayer {
  /** Absolute path of the layer's files. */
  readonly path: string;
  /** Tells layers apart that were at the same path one after the other: a diffID. */
  readonly identity: string;
}

/** An image that another program keeps. */
export interface InPlaceImage {
  /** Digest of its config, which names the diffIDs of all its layers. */
  readonly digest: Digest;
  readonly config: ImageConfig;
  /** The bytes of the config, when the layers are those that it speaks of. */
  readonly configBytes: Uint8Array | undefined;
  /** Bottom first. */
  readonly layers: readonly InPlaceLayer[];
}
