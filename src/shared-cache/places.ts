/** Opens the places that `--cache-from` and `--cache-to` name. */

import type { ArtifactSource } from '../oci/artifact.js';
import { BlobDamagedError, BlobGoneError, ImageError, sayingMore } from '../oci/image-error.js';
import { layoutSink, layoutSource } from '../oci/layout.js';
import { ociArchiveSink, ociArchiveSource } from '../oci/oci-archive.js';
import { parseRegistryReference } from '../oci/reference.js';
import type { RegistryOptions } from '../oci/registry/registry.js';
import type { RetryPolicy } from '../oci/registry/retry.js';
import type { Digest, ImageSink } from '../oci/resolved-image.js';
import { type CachePlace, DEFAULT_TAG } from './spec.js';

/** A cache is there to save time: who reads one does not wait for it as for an image. */
const READ_ATTEMPTS = 3;
/** ms: a place that asks for an hour is asked again much sooner, or done without. */
const LONGEST_READ_PAUSE = 5000;
/**
 * ms, `slowest` in bytes a second. A place that does not answer is done without: another attempt would mostly cost the same
 * again.
 */
const READ_WAIT = { silence: 30_000, patience: 20_000, longestAnswer: 60_000, slowest: 1000 };
/** As for an image: a place may take seconds to start again. */
const WRITE_ATTEMPTS = 5;
/** ms: one that is silent is asked twice. */
const WRITE_WAIT = { patience: 100_000 };
/** ms: then it was silent already. */
const AGAIN_WAIT = { silence: 30_000, patience: 20_000 };

/**
 * What a place is opened for. Who can't write a cache fails: a registry may take seconds to start again. It is written
 * again when it could not be written before, while the build ran.
 */
export type PlaceUse = 'read' | 'write' | 'write again';

/** Opens nothing before it is asked to. What is known of the place is kept from one opening to the next. */
export interface Place {
  readonly source: () => ArtifactSource;
  readonly sink: () => ImageSink;
  /** It removes what was not used for a while: a blob that the list names need not be there. */
  readonly losesBlobs?: true;
  /** Of a registry, which names no list whose blobs it lacks: the repository that has them. */
  readonly repository?: string;
}

/** HTTP. */
export const NOT_FOUND = 404;

/** Of a place that removes what was not used for a while. */
export function blobGone(title: string, digest: Digest): BlobGoneError {
  const message = `${title} does not have the blob ${digest} any more`;
  return new BlobGoneError(message, { reference: title, status: NOT_FOUND });
}

/** Whether a place has lost the one blob that it was asked for, and may well have others. Registries say 404. */
export function isBlobGone(error: unknown): boolean {
  return error instanceof BlobGoneError || (error as Partial<ImageError>).status === NOT_FOUND;
}

/** Whether a place did not deliver the one blob that it was asked for: nothing is wrong with the others. */
export function isBlobLost(error: unknown): boolean {
  return isBlobGone(error) || error instanceof BlobDamagedError;
}

/** Another job is writing the list that we meant to write: read it, add to it, try again. */
export class ListTakenError extends ImageError {
  constructor(title: string) {
    super(`the cache ${title} is being written by another job`, { reference: title });
  }
}

const VERBS = { read: 'read the cache', write: 'write the cache' };

/** How long a place is waited for. */
export function patience(usual: RetryPolicy, use: PlaceUse): RetryPolicy {
  if (use === 'read')
    return { ...usual, ...READ_WAIT, attempts: READ_ATTEMPTS, longestDelay: LONGEST_READ_PAUSE };
  const wait = use === 'write' ? WRITE_WAIT : AGAIN_WAIT;
  return { ...usual, ...wait, attempts: WRITE_ATTEMPTS };
}

async function registryPlace(text: string, access: RegistryOptions, use: PlaceUse): Promise<Place> {
  const [{ registrySource, registrySink }, { DEFAULT_RETRY }] = await Promise.all([
    import('../oci/registry/registry.js'),
    import('../oci/registry/retry.js'),
  ]);
  const reference = parseRegistryReference(text);
  const retry = patience(DEFAULT_RETRY, use);
  const options = { retry, verbs: VERBS, ...access };
  return {
    repository: `${reference.host}/${reference.repository}`,
    source: () => registrySource(reference, options),
    sink: () => registrySink(reference, options),
  };
}

/** What is no layout, or has no list of this name, is to its user a cache that is not there. @param name of the cache */
function sayingAbsent(source: ArtifactSource, name: string): ArtifactSource {
  return {
    title: source.title,
    digest: () => source.digest(),
    close: () => source.close(),
    artifacts: async (platform, maxConfigBytes) => {
      try {
        return await source.artifacts(platform, maxConfigBytes);
      } catch (error) {
        if (!(error instanceof ImageError) || error.status !== NOT_FOUND) throw error;
        throw sayingMore(error, {
          message: `there is no cache ${name}`,
          hint: 'check the path; wiac build --cache-to type=local,dest=DIR writes one, wiac cache export FILE an archive',
          cause: error,
        });
      }
    },
  };
}

/**
 * What `--cache-from` and `--cache-to` name, to be read or written.
 * @param access how registries are reached
 * @throws ImageError
 */
export async function cachePlace(
  place: CachePlace,
  access: RegistryOptions = {},
  use: PlaceUse = 'read',
): Promise<Place> {
  switch (place.type) {
    case 'registry':
      return registryPlace(place.reference, access, use);
    case 'local': {
      const { directory, tag } = place;
      const reference = { kind: 'oci-layout', directory, tag } as const;
      const name = tag === DEFAULT_TAG ? `in ${directory}` : `${tag} in ${directory}`;
      return {
        source: () => sayingAbsent(layoutSource(reference), name),
        sink: () => layoutSink(reference),
      };
    }
    case 'archive': {
      const reference = { kind: 'oci-archive', file: place.file } as const;
      return {
        source: () => sayingAbsent(ociArchiveSource(reference), `in ${place.file}`),
        sink: () => ociArchiveSink(reference),
      };
    }
    case 's3': {
      const [{ s3Sink, s3Source }, { DEFAULT_RETRY }] = await Promise.all([
        import('./s3.js'),
        import('../oci/registry/retry.js'),
      ]);
      const retry = patience(DEFAULT_RETRY, use);
      return {
        source: () => s3Source(place, retry, access),
        sink: () => s3Sink(place, retry, access),
      };
    }
    case 'gha': {
      const { ghaCache } = await import('./gha.js');
      return ghaCache(place, access, use);
    }
  }
}
