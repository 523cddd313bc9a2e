/** The digests of an image that a plan is based on. */
import type { PlanImage } from '../images/plan-images.js';

/** Digest of the manifest, and of the index where the image is one of several; undefined: neither. */
export function imageDigests(
  image: PlanImage,
): { readonly digest: string; readonly index: string | undefined } | undefined {
  if ('inPlace' in image) return undefined;
  if ('stored' in image) {
    const { manifest, index } = image.stored;
    return manifest === undefined ? undefined : { digest: manifest, index };
  }
  const { rootDescriptor, manifestDescriptor } = image;
  const { digest } = manifestDescriptor;
  return { digest, index: rootDescriptor.digest === digest ? undefined : rootDescriptor.digest };
}
