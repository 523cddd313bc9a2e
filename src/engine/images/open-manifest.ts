/** Opens images that have manifests, wherever a reference says they are. */

import { layoutSource } from '../../oci/layout.js';
import { ociArchiveSource } from '../../oci/oci-archive.js';
import type { ImageReference } from '../../oci/reference.js';
import type { RegistryOptions } from '../../oci/registry/registry.js';
import { registrySource } from '../../oci/registry/registry.js';
import type { ManifestSource } from '../../oci/resolve.js';
import type { ImageSource } from '../../oci/resolved-image.js';
import { UnsupportedError } from '../../util/errors.js';

/**
 * @param registry how registries are reached
 * @throws UnsupportedError for what has no manifests
 */
export function openManifests(
  reference: ImageReference,
  registry: RegistryOptions = {},
): ManifestSource & ImageSource {
  switch (reference.kind) {
    case 'registry':
      return registrySource(reference, registry);
    case 'oci-layout':
      return layoutSource(reference);
    case 'oci-archive':
      return ociArchiveSource(reference);
    default:
      throw new UnsupportedError(`images of ${reference.kind}: have no manifests`, undefined, {
        hint: 'push it to a registry or an oci-layout:// first: wiac pull, wiac push',
      });
  }
}
