/** Pulls an image into the store, for `wiac pull` and for `wiac run` of what is not there. */

import { baseImage } from '../../oci/base-image.js';
import { formatPlatform, parsePlatform } from '../../oci/platform.js';
import { isContainersStorage, parseReference } from '../../oci/reference.js';
import type { RegistryOptions } from '../../oci/registry/registry.js';
import type { Platform, ResolvedImage } from '../../oci/resolved-image.js';
import { imageRecord, publishImage } from '../../store/images/store-images.js';
import { retryWhenPruned } from '../../store/pins/uses.js';
import type { ImageRecord } from '../../store/records.js';
import { configAlone } from '../../store/records.js';
import { settle } from '../../store/recovery/durability.js';
import type { Store } from '../../store/store.js';
import type { SignedPrefix } from '../../verify/signed-prefixes.js';
import type { EventSink } from '../events.js';
import { transferMeter, unmetered } from '../transfers.js';
import { fetchImageLayers } from './fetch-layer.js';
import { openImageSource } from './image-source.js';
import { platformWarning } from './platform-warning.js';
import { adoptStorageImage } from './storage-image.js';

/** The manifest of docker-archive is of our own making: there is only the config to keep. */
function getOriginal(reference: string, image: ResolvedImage): Pick<ImageRecord, 'original'> {
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

/** How an image is fetched. */
export interface PullOptions {
  /** Where podman and buildah keep their images. */
  readonly environment?: NodeJS.ProcessEnv;
  /** How registries are reached. */
  readonly registry?: RegistryOptions;
  /** Images that must be signed; nothing is fetched of one that is not. */
  readonly requireSigned?: readonly SignedPrefix[] | undefined;
  /** Told of an image for another platform. */
  readonly warn?: (message: string) => void;
  /** Receives `transfer` events. */
  readonly onEvent?: EventSink | undefined;
}

/**
 * Fetches the layers that the store lacks and keeps the image under a name.
 * @param platform `os/architecture[/variant]`
 * @throws ImageError, NoSpaceError, UnsupportedError, SignatureError
 */
export async function pullImage(
  store: Store,
  reference: string,
  platform: string,
  name: string,
  {
    environment = {},
    registry = {},
    requireSigned: prefixes = [],
    warn = () => {},
    onEvent,
  }: PullOptions = {},
): Promise<ImageRecord> {
  const meter = onEvent ? transferMeter(onEvent) : unmetered;
  const check = (image: Platform) => {
    const warning = platformWarning(reference, image, platform);
    if (warning !== undefined) warn(warning);
  };
  if (isContainersStorage(reference)) {
    const image = adoptStorageImage(store, reference, environment);
    await settle(store, image.layers);
    check(parsePlatform(image.platform));
    return publishImage(store, image, [name]);
  }
  const source = openImageSource(reference, registry);
  try {
    const resolved = await source.resolve(parsePlatform(platform));
    if (prefixes.length > 0) {
      const { requireSignedImage } = await import('../signatures/require-signed.js');
      await requireSignedImage(reference, resolved, { prefixes, store, registry });
    }
    check(resolved.config);
    const { config, history, author } = baseImage(reference, resolved);
    return await retryWhenPruned(store, async () => {
      const { signal } = new AbortController();
      const layers = await fetchImageLayers({ store, signal, meter }, resolved);
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
      return publishImage(store, { ...made, ...getOriginal(reference, resolved) }, [name]);
    });
  } finally {
    await source.close();
  }
}
