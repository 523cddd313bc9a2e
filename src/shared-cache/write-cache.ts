/** Writes a shared cache: layers first, then the list of entries, then the manifest that names it. */
import type { KeyObject } from 'node:crypto';
import { Readable } from 'node:stream';
import { getDigest } from '../oci/blob-digest.js';
import { OCI_MANIFEST } from '../oci/media-types.js';
import type { Descriptor, ImageSink, OpenBlob } from '../oci/resolved-image.js';
import { CACHE_ARTIFACT, CACHE_CONFIG, SIGNATURE_ANNOTATION } from './cache-media-types.js';
import type { EntryList } from './entry-list.js';
import { encodeList } from './entry-list.js';
import { mountBlobs } from './mounts/outgoing.js';
import { signList } from './signature.js';

/** A layer that is to be sent, unless the place has it. */
export interface OutgoingLayer {
  readonly descriptor: Descriptor;
  readonly open: OpenBlob;
}

/** More would only make the place answer that it is too much. */
const PARALLEL = 4;

async function putLayers(sink: ImageSink, layers: readonly OutgoingLayer[]): Promise<void> {
  const waiting = [...layers];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      await sink.putBlob(next.descriptor, next.open);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
}

/**
 * Writes a cache to a sink.
 * @param layers of the entries
 * @param mounts blobs of the list's cache mounts that the place may lack
 * @returns the manifest's descriptor
 * @throws ImageError
 */
export async function writeCache(
  sink: ImageSink,
  list: EntryList,
  layers: readonly OutgoingLayer[],
  mounts: readonly OutgoingLayer[],
  signKey: KeyObject | undefined,
): Promise<Descriptor> {
  await putLayers(sink, [...layers, ...mounts]);
  const kept = new Map(mountBlobs(list.mounts ?? []).map((blob) => [blob.digest, blob]));
  const bytes = encodeList(list);
  const config = { mediaType: CACHE_CONFIG, digest: getDigest(bytes), size: bytes.length };
  await sink.putBlob(config, () => Readable.from([bytes]));
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    artifactType: CACHE_ARTIFACT,
    config,
    layers: [...layers.map(({ descriptor }) => descriptor), ...kept.values()],
    ...(signKey === undefined
      ? {}
      : { annotations: { [SIGNATURE_ANNOTATION]: signList(bytes, signKey) } }),
  };
  return sink.putManifest(Buffer.from(JSON.stringify(manifest)), OCI_MANIFEST, 'root');
}
