/** Opens the place an image is written to, wherever its reference says. */

import { dockerArchiveSink } from '../../oci/docker-archive.js';
import { layoutSink } from '../../oci/layout.js';
import { ociArchiveSink } from '../../oci/oci-archive.js';
import { parseReference } from '../../oci/reference.js';
import type { RegistryOptions } from '../../oci/registry/registry.js';
import { registrySink } from '../../oci/registry/registry.js';
import type { Digest, ImageSink } from '../../oci/resolved-image.js';
import { UnsupportedError } from '../../util/errors.js';

/**
 * @param registry how registries are reached
 * @param mountFrom another repository of the registry that may have a blob, if any is known
 * @throws ImageError for a text that is no reference, UnsupportedError
 */
export function openImageSink(
  text: string,
  registry: RegistryOptions = {},
  mountFrom?: (digest: Digest) => string | undefined,
): ImageSink {
  const reference = parseReference(text);
  switch (reference.kind) {
    case 'registry':
      return registrySink(reference, { ...registry, ...(mountFrom && { mountFrom }) });
    case 'oci-layout':
      return layoutSink(reference);
    case 'oci-archive':
      return ociArchiveSink(reference);
    case 'docker-archive':
      return dockerArchiveSink(reference);
    case 'containers-storage':
      throw new UnsupportedError('writing to containers-storage: is not supported', undefined, {
        hint: 'write an oci-archive: and load it: podman load -i FILE',
      });
  }
}
