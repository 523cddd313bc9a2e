/** An image with the provenance that its index carries (moby/buildkit, attestation-storage.md). */
import { attestationFor, isProvenance, readStatements } from '../../attest/read-attestations.js';
import { isIndex, parseManifest } from '../../oci/parse-manifest.js';
import { choosePlatform, parsePlatform } from '../../oci/platform.js';
import { parseReference } from '../../oci/reference.js';
import type { RegistryOptions } from '../../oci/registry/registry.js';
import type { ImageSource } from '../../oci/resolved-image.js';
import { NotFoundError } from '../../util/errors.js';
import { openManifests } from '../images/open-manifest.js';

/** An image that is open, and what its provenance says. */
export interface CarriedProvenance {
  readonly source: ImageSource;
  readonly predicate: unknown;
}

/**
 * Opens an image; the source is the caller's to close.
 * @param platform `os/architecture[/variant]`
 * @throws ImageError; NotFoundError when it carries no provenance
 */
export async function openCarried(
  text: string,
  platform: string,
  registry: RegistryOptions | undefined,
): Promise<CarriedProvenance> {
  const source = openManifests(parseReference(text), registry);
  try {
    const { descriptor, bytes } = await source.root();
    const { reader } = source;
    const index = parseManifest(bytes, descriptor.mediaType, reader.title);
    if (isIndex(index)) {
      const image = choosePlatform(index.manifests, parsePlatform(platform), reader.title);
      const attestation = attestationFor(index, image);
      const [found] = attestation
        ? await readStatements(reader, attestation, image, isProvenance)
        : [];
      if (found) return { source, predicate: found.predicate };
    }
    throw new NotFoundError(`${text} carries no provenance for ${platform}`, {
      hint: 'wiac build --provenance=mode=max adds it where the image is written to: --push, -o type=oci',
    });
  } catch (error) {
    await source.close();
    throw error;
  }
}
