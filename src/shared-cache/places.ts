/** Opens the places that `--cache-from` and `--cache-to` name. */
import { ociArchiveSink, ociArchiveSource } from '../oci/archive.js';
import type { ArtifactSource } from '../oci/artifact.js';
import type { ImageSink } from '../oci/image.js';
import { layoutSink, layoutSource } from '../oci/layout.js';
import { parseRegistryReference } from '../oci/reference.js';
import type { CachePlace } from './spec.js';

/** A cache is there to save time: it is not waited for as an image is. */
const ATTEMPTS = 3;

async function registryPlace(text: string) {
  const [{ registrySource, registrySink }, { DEFAULT_RETRY }] = await Promise.all([
    import('../registry/registry.js'),
    import('../registry/retry.js'),
  ]);
  const reference = parseRegistryReference(text);
  const retry = { ...DEFAULT_RETRY, attempts: ATTEMPTS };
  return {
    source: () => registrySource(reference, { retry }),
    sink: () => registrySink(reference, { retry }),
  };
}

/** Opens a place to read from. */
export async function openCacheSource(place: CachePlace): Promise<ArtifactSource> {
  switch (place.type) {
    case 'registry':
      return (await registryPlace(place.reference)).source();
    case 'local':
      return layoutSource({ kind: 'oci-layout', directory: place.directory, tag: place.tag });
    case 'archive':
      return ociArchiveSource({ kind: 'oci-archive', file: place.file });
    case 's3':
      return (await import('./s3.js')).s3Source(place);
  }
}

/** Opens a place to write to. */
export async function openCacheSink(place: CachePlace): Promise<ImageSink> {
  switch (place.type) {
    case 'registry':
      return (await registryPlace(place.reference)).sink();
    case 'local':
      return layoutSink({ kind: 'oci-layout', directory: place.directory, tag: place.tag });
    case 'archive':
      return ociArchiveSink({ kind: 'oci-archive', file: place.file });
    case 's3':
      return (await import('./s3.js')).s3Sink(place);
  }
}
