/** Pulls an image into the store, for `wiac pull` and for `wiac run` of what is not there. */
import { fetchImageLayers } from '../engine/images/fetch-layer.js';
import { openImageSource } from '../engine/images/image-source.js';
import { baseImage } from '../oci/base-image.js';
import { formatPlatform, parsePlatform } from '../oci/platform.js';
import { isContainersStorage, parseReference } from '../oci/reference.js';
import type { RegistryOptions } from '../oci/registry/registry.js';
import type { ResolvedImage } from '../oci/resolved-image.js';
import { imageRecord, publishImage } from '../store/images/store-images.js';
import { retryWhenPruned } from '../store/pins/uses.js';
import type { ImageRecord } from '../store/records.js';
import { configAlone } from '../store/records.js';
import { settle } from '../store/recovery/durability.js';
import type { Store } from '../store/store.js';
import { adoptStorageImage } from './storage-image.js';
import { warnOfPlatform } from './warn-of-platform.js';

/** The manifest of docker-archive is of our own making: there is only the config to keep. */
function originalOf(reference: string, image: ResolvedImage): Pick<ImageRecord, 'original'> {
  const { manifestDescriptor, manifestBytes: manifest, configBytes: config } = image;
  if (parseReference(reference).kind === 'docker-archive') return { original: configAlone(config) };
  return { original: { mediaType: manifestDescriptor.mediaType, manifest, config } };
}

/** The index, where the image is one of several. */
function indexOf({
  rootDescriptor,
  manifestDescriptor,
}: ResolvedImage): Pick<ImageRecord, 'index'> {
  const { digest } = rootDescriptor;
  return digest === manifestDescriptor.digest ? {} : { index: digest };
}

/**
 * Fetches the layers that the store lacks and keeps the image under a name.
 * @param platform `os/architecture[/variant]`
 * @param registry how registries are reached
 * @throws ImageError, NoSpaceError, UnsupportedError
 */
export async function pullImage(
  store: Store,
  reference: string,
  platform: string,
  name: string,
  registry: RegistryOptions = {},
): Promise<ImageRecord> {
  if (isContainersStorage(reference)) {
    const image = adoptStorageImage(store, reference);
    await settle(store, image.layers);
    warnOfPlatform(reference, parsePlatform(image.platform), platform);
    return publishImage(store, image, [name]);
  }
  const source = openImageSource(reference, registry);
  try {
    const resolved = await source.resolve(parsePlatform(platform));
    warnOfPlatform(reference, resolved.config, platform);
    const { config, history, author } = baseImage(reference, resolved);
    return await retryWhenPruned(store, async () => {
      const { signal } = new AbortController();
      const layers = await fetchImageLayers({ store, signal }, resolved);
      await settle(store, layers);
      const made = imageRecord({
        layers,
        platform: formatPlatform(resolved.config),
        manifest: resolved.manifestDescriptor.digest,
        ...indexOf(resolved),
        config,
        history,
        ...(author === undefined ? {} : { author }),
      });
      return publishImage(store, { ...made, ...originalOf(reference, resolved) }, [name]);
    });
  } finally {
    await source.close();
  }
}
