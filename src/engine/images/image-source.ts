/** Opens an image wherever its reference says it is. The sources know nothing of each other. */

import { dockerArchiveSource } from '../../oci/docker-archive.js';
import { layoutSource } from '../../oci/layout.js';
import { ociArchiveSource } from '../../oci/oci-archive.js';
import { parseReference } from '../../oci/reference.js';
import type { RegistryOptions } from '../../oci/registry/registry.js';
import { registrySource } from '../../oci/registry/registry.js';
import type { ImageSource } from '../../oci/resolved-image.js';
import { UnsupportedError } from '../../util/errors.js';

/**
 * @param registry how registries are reached
 * @throws ImageError for a text that is no reference, UnsupportedError
 */
export function openImageSource(text: string, registry: RegistryOptions = {}): ImageSource {
  const reference = parseReference(text);
  switch (reference.kind) {
    case 'registry':
      return registrySource(reference, registry);
    case 'oci-layout':
      return layoutSource(reference);
    case 'oci-archive':
      return ociArchiveSource(reference);
    case 'docker-archive':
      return dockerArchiveSource(reference);
    case 'containers-storage':
      throw new UnsupportedError('images of containers-storage: have no blobs to read', undefined, {
        hint: 'copy it first: skopeo copy containers-storage:NAME oci:DIR:NAME',
      });
  }
}
