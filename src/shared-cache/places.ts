/** Opens the places that `--cache-from` and `--cache-to` name. */

import type { ArtifactSource } from '../oci/artifact.js';
import { layoutSink, layoutSource } from '../oci/layout.js';
import { ociArchiveSink, ociArchiveSource } from '../oci/oci-archive.js';
import { parseRegistryReference } from '../oci/reference.js';
import type { RegistryOptions } from '../oci/registry/registry.js';
import type { ImageSink } from '../oci/resolved-image.js';
import type { CachePlace } from './spec.js';

/** A cache is there to save time: it is not waited for as an image is. */
const ATTEMPTS = 3;

/** Opens nothing before it is asked to. */
export interface Place {
  readonly source: () => ArtifactSource;
  readonly sink: () => ImageSink;
}

async function registryPlace(text: string, access: RegistryOptions): Promise<Place> {
  const [{ registrySource, registrySink }, { DEFAULT_RETRY }] = await Promise.all([
    import('../oci/registry/registry.js'),
    import('../oci/registry/retry.js'),
  ]);
  const reference = parseRegistryReference(text);
  const options = { retry: { ...DEFAULT_RETRY, attempts: ATTEMPTS }, ...access };
  return {
    source: () => registrySource(reference, options),
    sink: () => registrySink(reference, options),
  };
}

/**
 * What `--cache-from` and `--cache-to` name, to be read or written.
 * @param access how registries are reached
 * @throws ImageError
 */
export async function cachePlace(place: CachePlace, access: RegistryOptions = {}): Promise<Place> {
  switch (place.type) {
    case 'registry':
      return registryPlace(place.reference, access);
    case 'local': {
      const { directory, tag } = place;
      const reference = { kind: 'oci-layout', directory, tag } as const;
      return { source: () => layoutSource(reference), sink: () => layoutSink(reference) };
    }
    case 'archive': {
      const reference = { kind: 'oci-archive', file: place.file } as const;
      return { source: () => ociArchiveSource(reference), sink: () => ociArchiveSink(reference) };
    }
    case 's3': {
      const { s3Sink, s3Source } = await import('./s3.js');
      return { source: () => s3Source(place), sink: () => s3Sink(place) };
    }
  }
}
