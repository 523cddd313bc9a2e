/** Opens the place an image is written to, wherever its reference says. */

import { dockerArchiveSink } from '../../oci/docker-archive.js';
import { layoutSink } from '../../oci/layout.js';
import { ociArchiveSink } from '../../oci/oci-archive.js';
import { parseReference } from '../../oci/reference.js';
import { registrySink } from '../../oci/registry/registry.js';
import type { ImageSink } from '../../oci/resolved-image.js';
import { UnsupportedError } from '../../util/errors.js';

/** @throws ImageError for a text that is no reference, UnsupportedError */
export function openImageSink(text: string): ImageSink {
  const reference = parseReference(text);
  switch (reference.kind) {
    case 'registry':
      return registrySink(reference);
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
