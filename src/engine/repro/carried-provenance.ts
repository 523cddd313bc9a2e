/** An image with the provenance that its index carries (moby/buildkit, attestation-storage.md). */
import { digestParts } from '../../oci/blob-digest.js';
import { ImageError } from '../../oci/image-error.js';
import { layoutSource } from '../../oci/layout.js';
import { ociArchiveSource } from '../../oci/oci-archive.js';
import { isIndex, parseManifest } from '../../oci/parse-manifest.js';
import { choosePlatform, parsePlatform } from '../../oci/platform.js';
import { parseReference } from '../../oci/reference.js';
import type { RegistryOptions } from '../../oci/registry/registry.js';
import { registrySource } from '../../oci/registry/registry.js';
import type { ManifestSource } from '../../oci/resolve.js';
import { checkJsonSize, collect } from '../../oci/resolve.js';
import type { Descriptor, ImageSource } from '../../oci/resolved-image.js';
import { NotFoundError, UnsupportedError } from '../../util/errors.js';

/** Bytes of a statement. */
const MAX_STATEMENT = 64 << 20;

function openSource(
  text: string,
  registry: RegistryOptions | undefined,
): ManifestSource & ImageSource {
  const reference = parseReference(text);
  switch (reference.kind) {
    case 'registry':
      return registrySource(reference, registry);
    case 'oci-layout':
      return layoutSource(reference);
    case 'oci-archive':
      return ociArchiveSource(reference);
    default:
      throw new UnsupportedError(`images of ${reference.kind}: carry no provenance`, undefined, {
        hint: 'name it in a registry, or as oci-layout://DIR or oci-archive:FILE',
      });
  }
}

/** An image that is open, and what its provenance says. */
export interface CarriedProvenance {
  readonly source: ImageSource;
  readonly predicate: unknown;
}

async function readProvenance(
  { reader }: ManifestSource,
  attestation: Descriptor,
  image: Descriptor,
): Promise<unknown> {
  checkJsonSize(attestation, `manifest of ${reader.title}`);
  const bytes = await reader.readManifest(attestation);
  const manifest = parseManifest(bytes, attestation.mediaType, reader.title);
  const layer = isIndex(manifest)
    ? undefined
    : manifest.layers.find(({ annotations }) =>
        annotations?.['in-toto.io/predicate-type']?.startsWith('https://slsa.dev/provenance/'),
      );
  if (!layer) return undefined;
  const title = `the provenance of ${reader.title}`;
  const content = await collect(await reader.openBlob(layer), MAX_STATEMENT, title);
  try {
    const { subject, predicate } = JSON.parse(content.toString());
    const { algorithm, hex } = digestParts(image.digest);
    if (subject.some((each: { digest: Record<string, string> }) => each.digest[algorithm] === hex))
      return predicate;
  } catch (cause) {
    throw new ImageError(`${title} can't be read`, { cause });
  }
  throw new ImageError(`${title} is about another image than ${image.digest}`, {
    hint: 'it was copied from there',
  });
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
  const source = openSource(text, registry);
  try {
    const { descriptor, bytes } = await source.root();
    const { reader } = source;
    const index = parseManifest(bytes, descriptor.mediaType, reader.title);
    if (isIndex(index)) {
      const image = choosePlatform(index.manifests, parsePlatform(platform), reader.title);
      const attestation = index.manifests.find(
        ({ annotations }) => annotations?.['vnd.docker.reference.digest'] === image.digest,
      );
      const predicate = attestation && (await readProvenance(source, attestation, image));
      if (predicate !== undefined) return { source, predicate };
    }
    throw new NotFoundError(`${text} carries no provenance for ${platform}`, {
      hint: 'wiac build --provenance=mode=max adds it where the image is written to: --push, -o type=oci',
    });
  } catch (error) {
    await source.close();
    throw error;
  }
}
