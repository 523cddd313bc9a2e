/** What to say of an image that is for another platform than the one that was asked for. */

import { ImageError, sayingMore } from '../../oci/image-error.js';
import { formatPlatform, parsePlatform, platformFit } from '../../oci/platform.js';
import type { Platform } from '../../oci/resolved-image.js';
import type { ImageRequest } from './plan-images.js';

/**
 * An index has an image for each platform, and the lack of one is an error; an image alone is taken
 * as it is, as docker and podman take it.
 * @param wanted `os/architecture[/variant]`
 * @returns undefined when there is nothing to say
 */
export function platformWarning(
  reference: string,
  image: Platform,
  wanted: string,
): string | undefined {
  if (platformFit(parsePlatform(wanted), image) !== undefined) return undefined;
  return `the image ${reference} is for ${formatPlatform(image)}, not for ${wanted}: its programs may not run`;
}

/** A name is that of one image: whoever has built it for one platform may look for it in vain for another. */
export function sayingOther(
  error: unknown,
  { reference, platform }: ImageRequest,
  other: string,
): unknown {
  if (!(error instanceof ImageError)) return error;
  const here = `the store has ${reference} for ${other}, not for ${platform}`;
  return sayingMore(error, { hint: error.hint === undefined ? here : `${error.hint}; ${here}` });
}
