/** The place of a shared cache as what carries single layers between machines, before any list names them. */
import type { Readable } from 'node:stream';
import { parseRegistryReference } from '../oci/reference.js';
import type { RegistryOptions } from '../oci/registry/registry.js';
import type { Descriptor, Digest, OpenBlob } from '../oci/resolved-image.js';
import { UsageError } from '../util/errors.js';
import { cachePlace } from './places.js';
import type { CachePlace } from './spec.js';

/** A step that was run is not to be lost because a registry was away for half a minute. One that is silent is asked twice. */
const PATIENT = { attempts: 10, longestDelay: 10_000, patience: 100_000 };

/** Blobs of a place. Nothing is asked before the first call. */
export interface LayerBlobs {
  readonly title: string;
  /** The reference, if it is in a registry. */
  readonly registry: string | undefined;
  /** @throws ImageError */
  readonly has: (digest: Digest) => Promise<boolean>;
  /** Stores a blob unless it is there. @throws ImageError */
  readonly put: (descriptor: Descriptor, open: OpenBlob) => Promise<void>;
  /** Opens a blob; size and digest are verified while it is read. @throws ImageError */
  readonly open: (descriptor: Descriptor) => Promise<Readable>;
  readonly close: () => Promise<void>;
}

/**
 * Opens a registry or a bucket; what only one machine has carries nothing.
 * @throws UsageError for other places
 */
export async function openLayerBlobs(
  place: CachePlace,
  access: RegistryOptions = {},
): Promise<LayerBlobs> {
  if (place.type !== 'registry' && place.type !== 's3')
    throw new UsageError(`a cache of type=${place.type} can't carry layers between machines`, {
      hint: 'name one in a registry or a bucket: --cache REF, or --cache type=s3,bucket=NAME,...',
    });
  const { DEFAULT_RETRY } = await import('../oci/registry/retry.js');
  const options = { retry: { ...DEFAULT_RETRY, ...PATIENT }, ...access };
  const sink = (await cachePlace(place, options, 'write')).sink();
  const shared = {
    title: sink.title,
    has: (digest: Digest) => sink.hasBlob(digest),
    put: (descriptor: Descriptor, open: OpenBlob) => sink.putBlob(descriptor, open),
  };
  if (place.type === 's3') {
    const { s3Source } = await import('./s3.js');
    const source = s3Source(place, options.retry, access);
    const close = async () => void (await Promise.all([sink.close(), source.close()]));
    return { ...shared, registry: undefined, open: source.openBlob, close };
  }
  const { repositorySource } = await import('../oci/registry/registry.js');
  const source = repositorySource(parseRegistryReference(place.reference), options);
  const close = async () => void (await Promise.all([sink.close(), source.close()]));
  return { ...shared, registry: place.reference, open: source.reader.openBlob, close };
}
