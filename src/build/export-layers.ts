/** The layers of an image as blobs of a sink. */
import { createReadStream } from 'node:fs';
import type { BlobForm, LayerBlob } from '../cache/blobs.js';
import { layerBlob } from '../cache/blobs.js';
import { layerFiles } from '../cache/layer-store.js';
import type { BlobRecord, LayerId } from '../cache/records.js';
import type { Store } from '../cache/store.js';
import { opaqueDirectories } from '../layers/layer-digest.js';
import type { Descriptor, Digest, ImageSink } from '../oci/image.js';
import {
  DOCKER_LAYER,
  DOCKER_LAYER_GZIP,
  DOCKER_LAYER_ZSTD,
  OCI_LAYER,
  OCI_LAYER_GZIP,
  OCI_LAYER_ZSTD,
} from '../oci/media-types.js';
import { semaphore } from '../semaphore.js';

/** Names of the same things: those of OCI, or of Docker's schema 2. */
export type MediaTypes = 'oci' | 'docker';

const LAYER_TYPES = {
  oci: { none: OCI_LAYER, gzip: OCI_LAYER_GZIP, zstd: OCI_LAYER_ZSTD },
  docker: { none: DOCKER_LAYER, gzip: DOCKER_LAYER_GZIP, zstd: DOCKER_LAYER_ZSTD },
} as const;

/**
 * Layers that are compressed at the same time. One alone keeps all cores busy, but not while its
 * first files are being read.
 */
const PARALLEL = 2;

/** Bytes of one read of a blob. */
const READ_BYTES = 1 << 20;

/** A layer that a sink has. */
export interface ExportedLayer {
  readonly descriptor: Descriptor;
  readonly record: BlobRecord;
}

/** The blob of a layer that is here; see layerBlob. @throws NoSpaceError */
export async function blobOf(
  store: Store,
  id: LayerId,
  form: BlobForm,
  scratch: string,
  signal: AbortSignal | undefined,
): Promise<LayerBlob> {
  const opaque =
    store.index.layers.get(id)?.opaque ?? (await opaqueDirectories(layerFiles(store, id)));
  return layerBlob(store, id, opaque, form, scratch, signal);
}

/**
 * Puts layers into a sink: a layer is sent while the next one is being compressed.
 * @param layers bottom first
 * @throws ImageError, NoSpaceError
 */
export async function exportLayers(
  store: Store,
  layers: readonly LayerId[],
  sink: ImageSink,
  form: BlobForm,
  mediaTypes: MediaTypes,
  scratch: string,
  signal?: AbortSignal,
): Promise<ExportedLayer[]> {
  const inSlot = semaphore(PARALLEL);
  const sent = new Map<string, Promise<void>>();
  const send = (descriptor: Descriptor, path: string): Promise<void> => {
    // Two layers can be the same blob: an empty directory made twice.
    const sending =
      sent.get(descriptor.digest) ??
      sink.putBlob(descriptor, () => createReadStream(path, { highWaterMark: READ_BYTES }));
    sent.set(descriptor.digest, sending);
    return sending;
  };
  return Promise.all(
    layers.map(async (id) => {
      const { record, path } = await inSlot(() => blobOf(store, id, form, scratch, signal));
      const descriptor: Descriptor = {
        mediaType: LAYER_TYPES[mediaTypes][record.compression],
        digest: record.digest as Digest,
        size: record.size,
      };
      await send(descriptor, path);
      return { descriptor, record };
    }),
  );
}
