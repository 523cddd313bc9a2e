/** Images of podman and buildah, as this process may see them. */

import { openStorageImage } from '../../containers-storage/storage-layers.js';
import { baseImage } from '../../oci/base-image.js';
import type { InPlaceImage } from '../../oci/in-place.js';
import { formatPlatform } from '../../oci/platform.js';
import { parseReference } from '../../oci/reference.js';
import { imageRecord } from '../../store/images/store-images.js';
import { adoptLayer } from '../../store/layers/adopt-layer.js';
import type { ImageRecord } from '../../store/records.js';
import { configAlone } from '../../store/records.js';
import type { Store } from '../../store/store.js';
import { inUserNamespace } from '../../util/user-namespace.js';

/**
 * The image of a `containers-storage:` reference.
 * @throws ImageError, UnsupportedError
 */
export function storageImage(reference: string, environment: NodeJS.ProcessEnv): InPlaceImage {
  const parsed = parseReference(reference);
  if (parsed.kind !== 'containers-storage') throw new Error(`${reference} is in no such storage`);
  const rootless = process.getuid?.() !== 0 || inUserNamespace();
  return openStorageImage(parsed.name, environment, rootless);
}

/**
 * The image as a record of the store that is not published yet; its layers stay where they are.
 * @throws ImageError, UnsupportedError
 */
export function adoptStorageImage(
  store: Store,
  reference: string,
  environment: NodeJS.ProcessEnv,
): ImageRecord {
  const { config, configBytes, digest, layers } = storageImage(reference, environment);
  const base = baseImage(reference, { config, manifestDescriptor: { digest } });
  const made = imageRecord({
    layers: layers.map((layer) => adoptLayer(store, layer)),
    platform: formatPlatform(config),
    manifest: undefined,
    config: base.config,
    history: base.history,
    ...(base.author === undefined ? {} : { author: base.author }),
  });
  if (configBytes === undefined) return made;
  return { ...made, original: configAlone(configBytes) };
}
