/** An image that a lock file names by its digest: from the store, from what is kept of it, or from where it is. */
import { ownDigest } from '../../lock/identify.js';
import { ImageError, sayingMore } from '../../oci/image-error.js';
import { isIndex, parseConfig, parseManifest } from '../../oci/parse-manifest.js';
import { parsePlatform } from '../../oci/platform.js';
import type { RegistryReference } from '../../oci/reference.js';
import { formatReference, parseReference } from '../../oci/reference.js';
import type { RegistryOptions } from '../../oci/registry/registry.js';
import { pairLayers } from '../../oci/resolve.js';
import type { Digest, ImageSource, ResolvedImage } from '../../oci/resolved-image.js';
import type { OriginalImage } from '../../store/records.js';
import type { KeptImages } from './kept-images.js';
import type { ImageRequest, PlanImage } from './plan-images.js';

/** The image that a registry has by a digest; the digest takes the place of tag and own digest. */
function referenceByDigest(reference: RegistryReference, digest: string): RegistryReference {
  const { kind, host, repository } = reference;
  return { kind, host, repository, digest: digest as Digest };
}

/** The registry client is loaded only by builds that have to ask. */
async function openRegistry(reference: RegistryReference, registry: RegistryOptions) {
  const { registrySource } = await import('../../oci/registry/registry.js');
  return registrySource(reference, registry);
}

/** Calls a function once, and gives its result to all who ask. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** The image from what is kept of it; its layers are asked for when a step needs their files. */
function fromKept(
  kept: OriginalImage,
  reference: RegistryReference,
  registry: RegistryOptions,
  sources: ImageSource[],
): ResolvedImage | undefined {
  const title = formatReference(reference);
  const manifest = parseManifest(kept.manifest, kept.mediaType, title);
  if (isIndex(manifest)) return undefined;
  const config = parseConfig(kept.config, title);
  const { digest } = reference;
  if (digest === undefined) return undefined;
  const size = kept.manifest.length;
  const descriptor = { mediaType: kept.mediaType, digest, size };
  const open = once(async () => {
    const source = await openRegistry(reference, registry);
    sources.push(source);
    return source;
  });
  return {
    rootDescriptor: descriptor,
    manifestDescriptor: descriptor,
    manifest,
    manifestBytes: kept.manifest,
    config,
    configBytes: kept.config,
    layers: pairLayers(manifest.layers, config.rootfs.diff_ids, title).map((layer) => ({
      ...layer,
      open: async () => (await open()).reader.openBlob(layer.descriptor),
    })),
  };
}

/**
 * The image of a digest from what is kept of it.
 * @param text a reference
 * @returns undefined when nothing is kept, or the reference is of no registry
 */
export function keptImage(
  text: string,
  digest: string,
  kept: KeptImages,
  registry: RegistryOptions,
  sources: ImageSource[],
): ResolvedImage | undefined {
  const reference = parseReference(text);
  const known = reference.kind === 'registry' ? kept.find(digest) : undefined;
  if (!known || reference.kind !== 'registry') return undefined;
  return fromKept(known, referenceByDigest(reference, digest), registry, sources);
}

/** What the registry has under the reference now, for a message; undefined when it can't be had. */
async function digestNow(
  reference: RegistryReference,
  platform: string,
  registry: RegistryOptions,
): Promise<string | undefined> {
  const source = await openRegistry(reference, registry);
  try {
    return (await source.resolve(parsePlatform(platform))).manifestDescriptor.digest;
  } catch {
    return undefined;
  } finally {
    await source.close();
  }
}

/** A digest that the Dockerfile has, and what a lock file says that it means for a platform. */
interface OwnIndex {
  readonly file: string;
  readonly own: Digest;
  readonly digest: string;
}

/**
 * Opens the image of an index that the Dockerfile itself names. That the locked manifest is in it is a claim of
 * the lock file: it is believed once the index was seen to lead there.
 * @throws ImageError when it leads elsewhere
 */
async function openOfIndex(
  { reference: text, platform }: ImageRequest,
  { file, own, digest }: OwnIndex,
  kept: KeptImages,
  registry: RegistryOptions,
  sources: ImageSource[],
): Promise<PlanImage> {
  const stored = kept.stored(digest, platform);
  if (stored && 'stored' in stored && stored.stored.index === own) return stored;
  if (kept.find(digest)?.indexes?.includes(own)) {
    const image = keptImage(text, digest, kept, registry, sources);
    if (image) return image;
  }
  const reference = parseReference(text);
  if (reference.kind !== 'registry') throw new Error(`${text} is in no registry`);
  const source = await openRegistry(referenceByDigest(reference, own), registry);
  sources.push(source);
  const image = await source.resolve(parsePlatform(platform));
  checkLockedDigest(text, file, digest, image.manifestDescriptor.digest);
  return image;
}

/**
 * Opens the image of a lock file.
 * @param file what messages call the lock file
 * @param digest of the manifest
 * @param sources gets the source that was opened, to be closed by the caller
 * @throws ImageError that names both digests when the registry has none of that digest
 */
export async function openLockedImage(
  request: ImageRequest,
  file: string,
  digest: string,
  kept: KeptImages,
  registry: RegistryOptions,
  sources: ImageSource[],
): Promise<PlanImage> {
  const { reference: text, platform } = request;
  const reference = parseReference(text);
  if (reference.kind !== 'registry') throw new Error(`${text} is in no registry`);
  const own = ownDigest(reference);
  // Another digest than that of the manifest can only be that of an index; locked-inputs.ts has refused others.
  if (own !== undefined && own !== digest)
    return openOfIndex(request, { file, own: own as Digest, digest }, kept, registry, sources);
  const stored = kept.stored(digest, platform);
  if (stored) return stored;
  const image = keptImage(text, digest, kept, registry, sources);
  if (image) return image;
  const byDigest = referenceByDigest(reference, digest);
  const source = await openRegistry(byDigest, registry);
  sources.push(source);
  try {
    const found = await source.resolve(parsePlatform(platform));
    // The digest of an index, which would leave open what it means.
    checkLockedDigest(text, file, digest, found.manifestDescriptor.digest);
    return found;
  } catch (error) {
    if (!(error instanceof ImageError) || error.status !== 404) throw error;
    const now = await digestNow(reference, platform, registry);
    const has = now === undefined ? 'has neither that nor the tag' : `has ${now} for it`;
    throw sayingMore(error, {
      message: `${file} says that ${formatReference(reference)} (${platform}) is ${digest}, but the registry ${has}`,
      hint: `if the new one is right: wiac build --lock=update=${text}`,
      cause: error,
    });
  }
}

/** Is the image, wherever it was opened, the one of the lock file? @throws ImageError */
export function checkLockedDigest(
  reference: string,
  file: string,
  locked: string,
  found: string,
): void {
  if (locked === found) return;
  throw new ImageError(`${reference} has the digest ${found}, not ${locked} of ${file}`, {
    reference,
    hint: `if the new one is right: wiac build --lock=update=${reference}`,
  });
}
