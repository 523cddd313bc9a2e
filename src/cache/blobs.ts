/** Compressed layers in blobs/, by digest as in an OCI image layout: made once, pushed often. */
import {
  closeSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  openSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { compress } from '../tar/compress.js';
import { packLayer } from '../tar/pack.js';
import { updateLayer } from './entries.js';
import { layerPath } from './layer-store.js';
import type { BlobRecord, LayerId } from './records.js';
import type { Store } from './store.js';

/** Where a blob is kept. */
export function blobPath({ paths }: Store, digest: string): string {
  return join(paths.blobs, digest.replace(':', '/'));
}

/** Moves a finished file to its place among the blobs. */
export function placeBlob(store: Store, file: string, digest: string): void {
  const path = blobPath(store, digest);
  mkdirSync(join(path, '..'), { recursive: true });
  renameSync(file, path);
}

/**
 * The blob of a layer; made when there is none yet.
 * @param opaque the layer's opaque directories
 * @param scratch directory for the unfinished blob, on the file system of the store
 * @param compression of a blob that has to be made; one that is there stays as it is
 */
export async function layerBlob(
  store: Store,
  id: LayerId,
  opaque: readonly string[],
  scratch: string,
  compression: 'gzip' | 'zstd' = 'gzip',
): Promise<BlobRecord> {
  const known = store.index.layers.get(id)?.blob;
  if (known && existsSync(blobPath(store, known.digest))) return known;
  const archive = packLayer(layerPath(store.paths, id), { opaque });
  const { stream, result } = compress(archive, compression);
  const file = join(scratch, `blob-${id}`);
  await pipeline(stream, createWriteStream(file));
  const { digest, size, diffId } = await result;
  placeBlob(store, file, digest);
  const blob: BlobRecord = { digest, size, diffId, compression };
  updateLayer(store.index, id, { blob });
  // An image, or a cache, that has the same layer need not bring it again.
  if (store.index.diffIds.get(diffId) === undefined) store.index.diffIds.putSync(diffId, id);
  return blob;
}

/** Passes a stream on and writes it to a file on the way. */
export async function* teeToFile(source: Readable, file: string): AsyncGenerator<Buffer> {
  const descriptor = openSync(file, 'w');
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      writeSync(descriptor, chunk);
      yield chunk;
    }
  } finally {
    closeSync(descriptor);
  }
}
