/** Copies manifests, and what they consist of, to a sink that may have parts of it. */
import { ImageError } from '../oci/image-error.js';
import { isIndex, parseManifest } from '../oci/parse-manifest.js';
import { type BlobReader, checkJsonSize, MAX_DEPTH } from '../oci/resolve.js';
import type { Descriptor, ImageSink } from '../oci/resolved-image.js';
import { semaphore } from '../util/semaphore.js';

/** Blobs that are on their way at the same time. */
const PARALLEL = 3;

/**
 * Copies a manifest or an index that an index mentions. Blobs that the sink has, or can get by
 * itself, do not come through this machine; layers that are kept elsewhere (`urls`) stay there.
 * @throws ImageError
 */
export async function copyTree(
  reader: BlobReader,
  descriptor: Descriptor,
  sink: ImageSink,
  depth = 0,
): Promise<void> {
  if (depth > MAX_DEPTH)
    throw new ImageError(`${reader.title} has more than ${MAX_DEPTH} indexes within each other`);
  checkJsonSize(descriptor, `manifest of ${reader.title}`);
  const bytes = await reader.readManifest(descriptor);
  await copyParts(reader, bytes, descriptor.mediaType, sink, depth);
  await sink.putManifest(bytes, descriptor.mediaType, 'child');
}

/** Copies what a manifest or an index consists of. @throws ImageError */
export async function copyParts(
  reader: BlobReader,
  bytes: Uint8Array,
  mediaType: string,
  sink: ImageSink,
  depth = 0,
): Promise<void> {
  const manifest = parseManifest(bytes, mediaType, reader.title);
  if (isIndex(manifest)) {
    for (const child of manifest.manifests) await copyTree(reader, child, sink, depth + 1);
    return;
  }
  const inSlot = semaphore(PARALLEL);
  const blobs = [manifest.config, ...manifest.layers].filter(({ urls = [] }) => urls.length === 0);
  const distinct = new Map(blobs.map((blob) => [blob.digest, blob]));
  await Promise.all(
    [...distinct.values()].map((blob) =>
      inSlot(() => sink.putBlob(blob, () => reader.openBlob(blob))),
    ),
  );
}
