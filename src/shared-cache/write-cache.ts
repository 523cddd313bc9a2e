/** Writes a shared cache: blobs first, then the list of entries, then the manifest that names them. */
import type { KeyObject } from 'node:crypto';
import { Readable } from 'node:stream';
import { getDigest } from '../oci/blob-digest.js';
import { BlobGoneError } from '../oci/image-error.js';
import { OCI_MANIFEST } from '../oci/media-types.js';
import type { Descriptor, Digest, ImageSink, OpenBlob } from '../oci/resolved-image.js';
import { CACHE_ARTIFACT, CACHE_CONFIG, SIGNATURE_ANNOTATION } from './cache-media-types.js';
import type { EntryList } from './entry-list.js';
import { encodeList } from './entry-list.js';
import { listedBlobs, withoutBlobs } from './merge-lists.js';
import { mountBlobs } from './mounts/outgoing.js';
import { blobDescriptor } from './read-cache.js';
import { signList } from './signature.js';

/** A blob that is to be sent, unless the place has it. */
export interface OutgoingLayer {
  readonly descriptor: Descriptor;
  readonly open: OpenBlob;
  /**
   * Asked when it could not be sent: whether that was because the cache that it is passed on from did not deliver it.
   * @throws when that ends the build
   */
  readonly isLost?: () => boolean;
  /** A place has other bytes under its name: it is written again, where that can be done. */
  readonly replaces?: true;
}

/** More would only make the place answer that it is too much. */
const PARALLEL = 4;

async function forEachBlob(
  blobs: readonly OutgoingLayer[],
  action: (blob: OutgoingLayer) => Promise<void>,
): Promise<void> {
  const waiting = [...blobs];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) await action(next);
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
}

/**
 * Sends blobs.
 * @returns those that were to come from a cache, which has lost them
 * @throws ImageError
 */
export async function putBlobs(
  sink: ImageSink,
  blobs: readonly OutgoingLayer[],
): Promise<ReadonlySet<Digest>> {
  const gone = new Set<Digest>();
  await forEachBlob(blobs, async ({ descriptor, open, isLost, replaces }) => {
    try {
      await sink.putBlob(descriptor, open, { replaces });
    } catch (error) {
      if (!(error instanceof BlobGoneError) && !isLost?.()) throw error;
      gone.add(descriptor.digest);
    }
  });
  return gone;
}

/** Those that a place does not have. @throws ImageError */
export async function absentBlobs(
  sink: ImageSink,
  blobs: readonly OutgoingLayer[],
): Promise<OutgoingLayer[]> {
  const absent: OutgoingLayer[] = [];
  await forEachBlob(blobs, async (blob) => {
    const { digest, size } = blob.descriptor;
    if (blob.replaces || !(await sink.hasBlob(digest, size))) absent.push(blob);
  });
  return absent;
}

/** The blobs that a manifest has to name for a list: registries keep those. */
export function blobsOf(list: EntryList): Descriptor[] {
  const all = [...listedBlobs(list).map(blobDescriptor), ...mountBlobs(list.mounts ?? [])];
  return [...new Map(all.map((blob) => [blob.digest, blob])).values()];
}

/**
 * Sends a list whose blobs are there, all but the manifest that gives it its name.
 * @returns the manifest's bytes
 * @throws ImageError
 */
export async function prepareList(
  sink: ImageSink,
  list: EntryList,
  signKey: KeyObject | undefined,
): Promise<Uint8Array> {
  const bytes = encodeList(list);
  const config = { mediaType: CACHE_CONFIG, digest: getDigest(bytes), size: bytes.length };
  await sink.putBlob(config, () => Readable.from([bytes]));
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    artifactType: CACHE_ARTIFACT,
    config,
    layers: blobsOf(list),
    ...(signKey === undefined
      ? {}
      : { annotations: { [SIGNATURE_ANNOTATION]: signList(bytes, signKey) } }),
  };
  return Buffer.from(JSON.stringify(manifest));
}

/** Gives a list its name. @param manifest from prepareList @throws ImageError */
export function nameList(sink: ImageSink, manifest: Uint8Array): Promise<Descriptor> {
  return sink.putManifest(manifest, OCI_MANIFEST, 'root');
}

/** Writes a cache over what is there, and closes the sink. @throws ImageError */
export async function writeCache(
  sink: ImageSink,
  list: EntryList,
  blobs: readonly OutgoingLayer[],
  signKey: KeyObject | undefined,
): Promise<void> {
  try {
    const gone = await putBlobs(sink, blobs);
    await nameList(sink, await prepareList(sink, withoutBlobs(list, gone), signKey));
  } finally {
    await sink.close();
  }
}
