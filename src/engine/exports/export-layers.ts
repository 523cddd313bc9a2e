/** The layers of an image as blobs of a sink. */
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import type { GzipThreads } from '../../fs/archive/gzip-threads.js';
import { createGzipThreads } from '../../fs/archive/gzip-threads.js';
import {
  DOCKER_LAYER,
  DOCKER_LAYER_GZIP,
  DOCKER_LAYER_ZSTD,
  OCI_LAYER,
  OCI_LAYER_GZIP,
  OCI_LAYER_ZSTD,
} from '../../oci/media-types.js';
import type { Descriptor, Digest, ImageSink } from '../../oci/resolved-image.js';
import type { BlobForm, LayerBlob, MakeBlobOptions } from '../../store/blobs/blobs.js';
import { findBlob, makeBlob } from '../../store/blobs/blobs.js';
import { createGrowingFile } from '../../store/blobs/growing-file.js';
import { getOpaque } from '../../store/layers/layer-marks.js';
import type { BlobRecord, LayerId } from '../../store/records.js';
import { asStoreError, type Store } from '../../store/store.js';
import { semaphore } from '../../util/semaphore.js';
import type { Elsewhere } from '../images/elsewhere.js';

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

/** A layer that a sink has, or will have. */
export interface ExportedLayer {
  readonly descriptor: Descriptor;
  readonly record: BlobRecord;
  /** Resolves when the sink has it. */
  readonly sent: Promise<void>;
}

/** Blobs that are being made: a cache is written, and layers are sent to workers, while a build runs. */
const making = new WeakMap<Store, Map<string, Promise<LayerBlob>>>();

/** The blob of a layer that is here, made once; see makeBlob. @throws NoSpaceError */
export async function getBlob(
  store: Store,
  id: LayerId,
  form: BlobForm,
  scratch: string,
  signal: AbortSignal | undefined,
): Promise<LayerBlob> {
  const known = findBlob(store, id, form);
  if (known) return known;
  const ofStore = making.get(store) ?? new Map<string, Promise<LayerBlob>>();
  making.set(store, ofStore);
  const name = `${id} ${form.compression}`;
  const begun = ofStore.get(name);
  if (begun) return begun;
  const { blob } = makeAndSend(store, id, form, scratch, undefined, { signal });
  ofStore.set(name, blob);
  return blob.finally(() => ofStore.delete(name));
}

/** How a layer gets to a sink. */
interface Sending {
  /** The blob, once it is complete in the store. */
  readonly blob: Promise<LayerBlob>;
  /** The sink has it; undefined when it was not sent while it was being made. */
  readonly sent: Promise<void> | undefined;
}

/** Makes a layer's blob, and lets the sink have it as it comes. */
function makeAndSend(
  store: Store,
  id: LayerId,
  form: BlobForm,
  scratch: string,
  sink: ImageSink | undefined,
  options: MakeBlobOptions,
): Sending {
  const path = join(scratch, `blob-${id}-${form.compression}-${form.latest ?? 'any'}`);
  const file = createGrowingFile(path);
  const make = async () => {
    try {
      const opaque = await getOpaque(store, id);
      return await makeBlob(store, id, opaque, form, { path, file }, options);
    } catch (error) {
      const typed = asStoreError(store.paths.root, error);
      file.end(typed);
      throw typed;
    }
  };
  const blob = make();
  const made = blob.then(({ record }) => ({ digest: record.digest as Digest }));
  // Who waits for the blob itself gets the error; the sink may not have come to wait for it.
  made.catch(() => {});
  // The blob's first window is at work while the connection is being made, and not after it.
  const { putGrowingBlob } = sink ?? {};
  const sent = putGrowingBlob && file.started.then(() => putGrowingBlob(() => file.open(), made));
  Promise.allSettled([blob, sent]).then(() => file.close());
  return { blob, sent };
}

/** A layer, and how it is packed. */
export interface WantedLayer {
  readonly id: LayerId;
  readonly form: BlobForm;
}

/** What is asked of the layers of one export. */
export interface LayerRequest {
  readonly store: Store;
  readonly sink: ImageSink;
  readonly mediaTypes: MediaTypes;
  readonly scratch: string;
  /** Those that are not here, and that the sink has. */
  readonly elsewhere: Elsewhere;
  readonly signal: AbortSignal | undefined;
}

interface LayerExport extends LayerRequest {
  readonly threads: GzipThreads;
}

/** A layer's blob, complete in the store. */
interface Prepared {
  readonly blob: LayerBlob;
  /** Has the sink got it while it was being made? */
  readonly streamed: Promise<boolean>;
}

async function prepareBlob(job: LayerExport, { id, form }: WantedLayer): Promise<Prepared> {
  const { store, sink, scratch, threads, signal } = job;
  const known = findBlob(store, id, form);
  if (known) return { blob: known, streamed: Promise.resolve(false) };
  const { blob, sent } = makeAndSend(store, id, form, scratch, sink, { threads, signal });
  // Whether it got there is asked later; until then a failure must not end the process.
  const streamed = sent?.then(
    () => true,
    () => false,
  );
  return { blob: await blob, streamed: streamed ?? Promise.resolve(false) };
}

/** Sends blobs from their files, each once: two layers can be the same, an empty directory made twice. */
function fileSender(sink: ImageSink): (descriptor: Descriptor, path: string) => Promise<void> {
  const sending = new Map<string, Promise<void>>();
  return (descriptor, path) => {
    const sent =
      sending.get(descriptor.digest) ??
      sink.putBlob(descriptor, () => createReadStream(path, { highWaterMark: READ_BYTES }));
    sending.set(descriptor.digest, sent);
    return sent;
  };
}

/**
 * Puts layers into a sink: one is being sent while it, or the next one, is being compressed.
 * @param layers bottom first
 * @returns when all are compressed; the sink may not have all of them yet
 * @throws ImageError, NoSpaceError
 */
export async function exportLayers(
  request: LayerRequest,
  layers: readonly WantedLayer[],
): Promise<ExportedLayer[]> {
  const threads = createGzipThreads();
  const job: LayerExport = { ...request, threads };
  const inSlot = semaphore(PARALLEL);
  const sendFile = fileSender(request.sink);
  const describe = ({ compression, digest, size }: BlobRecord): Descriptor => ({
    mediaType: LAYER_TYPES[request.mediaTypes][compression],
    digest: digest as Digest,
    size,
  });
  const put = async (layer: WantedLayer): Promise<ExportedLayer> => {
    const there = request.elsewhere.get(layer.id);
    if (there) return { descriptor: describe(there), record: there, sent: Promise.resolve() };
    const { blob, streamed } = await inSlot(() => prepareBlob(job, layer));
    const { record, path } = blob;
    const descriptor = describe(record);
    // What failed on the way is sent again from the file, with all that is known about failures.
    const sent = streamed.then((isThere) => (isThere ? undefined : sendFile(descriptor, path)));
    // Another layer may fail before anybody waits for this one.
    sent.catch(() => {});
    return { descriptor, record, sent };
  };
  // A step that makes the same again has the same layer: its blob is made once, in one file.
  const once = new Map<string, Promise<ExportedLayer>>();
  const putOnce = (layer: WantedLayer): Promise<ExportedLayer> => {
    const name = `${layer.id} ${layer.form.latest ?? ''}`;
    const exported = once.get(name) ?? put(layer);
    once.set(name, exported);
    return exported;
  };
  try {
    return await Promise.all(layers.map(putOnce));
  } finally {
    threads.close();
  }
}
