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
import { checkpoint } from '../checkpoint.js';
import { compress } from '../tar/compress.js';
import { packLayer } from '../tar/pack.js';
import { blobMark, markUnsynced } from './durability.js';
import { updateLayer } from './entries.js';
import { layerPath } from './layer-store.js';
import { blobPath } from './paths.js';
import type { BlobRecord, LayerId } from './records.js';
import type { Store } from './store.js';

/** Moves a finished file to its place among the blobs. */
export function placeBlob(store: Store, file: string, digest: string): void {
  const path = blobPath(store.paths, digest);
  mkdirSync(join(path, '..'), { recursive: true });
  renameSync(file, path);
  checkpoint('blob:placed');
}

/**
 * The blob of a layer, compressed with gzip when there is none yet.
 * @param opaque the layer's opaque directories
 * @param scratch directory for the unfinished blob, on the file system of the store
 */
export async function layerBlob(
  store: Store,
  id: LayerId,
  opaque: readonly string[],
  scratch: string,
): Promise<BlobRecord> {
  const known = store.index.layers.get(id)?.blob;
  if (known && existsSync(blobPath(store.paths, known.digest))) return known;
  const { stream, result } = compress(packLayer(layerPath(store.paths, id), { opaque }), 'gzip');
  const file = join(scratch, `blob-${id}`);
  await pipeline(stream, createWriteStream(file));
  const { digest, size, diffId } = await result;
  checkpoint('blob:written');
  placeBlob(store, file, digest);
  const blob: BlobRecord = { digest, size, diffId, compression: 'gzip' };
  store.index.environment.transactionSync(() => {
    updateLayer(store.index, id, { blob });
    markUnsynced(store.index, blobMark(digest));
  });
  checkpoint('blob:published');
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
