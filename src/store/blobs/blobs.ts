/** Compressed layers in blobs/, by digest as in an OCI image layout: made once, pushed often. */
import { closeSync, createReadStream, mkdirSync, openSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { GzipThreads } from '../../fs/archive/gzip-threads.js';
import type { PackOptions } from '../../fs/archive/pack.js';
import { packLayer } from '../../fs/archive/pack.js';
import { compress } from '../../fs/archive/pack-blob.js';
import type { Window, WindowMemory } from '../../fs/archive/windows.js';
import { createWindowMemory, getWindows } from '../../fs/archive/windows.js';
import { mayHaveXattrs } from '../../fs/scan/tree.js';
import { decompressed } from '../../oci/compress/decompress.js';
import { checkpoint } from '../../util/checkpoint.js';
import { writeAll } from '../../util/write-all.js';
import { changeLayer } from '../entries/entries.js';
import type { CacheIndex } from '../index/index-db.js';
import { getTables } from '../index/tables.js';
import { write } from '../index/transaction.js';
import { layerFiles } from '../layers/layer-store.js';
import { blobPath } from '../paths.js';
import type { BlobRecord, ImageTimes, LayerId, LayerRecord } from '../records.js';
import { blobMark, markUnsynced } from '../recovery/durability.js';
import type { Store } from '../store.js';
import type { GrowingFile } from './growing-file.js';

/**
 * Moves a finished file to its place among the blobs. Part of the write transaction that gives it its row: another
 * layer may have the same blob, and be pruned.
 */
export function placeBlob(store: Store, file: string, digest: string): void {
  const path = blobPath(store.paths, digest);
  mkdirSync(join(path, '..'), { recursive: true });
  renameSync(file, path);
  checkpoint('blob:placed');
}

/** Is the blob here, and whole as far as its size tells? One that is not is made again. */
function isKept(store: Store, { digest, size }: BlobRecord): boolean {
  return statSync(blobPath(store.paths, digest), { throwIfNoEntry: false })?.size === size;
}

/** How a layer is to be packed. */
export interface BlobForm {
  readonly compression: BlobRecord['compression'];
  /** Undefined: the default of the compression. */
  readonly level: number | undefined;
  /** Give layers of base images this form too; they keep the one they came in otherwise. */
  readonly force: boolean;
  /** Times in files that are later become this one, seconds since the epoch. */
  readonly latest: number | undefined;
  /** So do all others. */
  readonly everyFile?: boolean;
}

/** gzip as everybody reads it, nothing changed. */
export const DEFAULT_FORM: BlobForm = {
  compression: 'gzip',
  level: undefined,
  force: false,
  latest: undefined,
};

/** The form of an image's layers, with the times that the image itself has. */
export function withTimes(form: BlobForm, times: ImageTimes | undefined): BlobForm {
  if (times === undefined) return form;
  return { ...form, latest: times.seconds, everyFile: times.everyFile };
}

/** The form of what the base image of an image brought: it stays what it is elsewhere. */
export function withoutTimes({ compression, level, force }: BlobForm): BlobForm {
  return { compression, level, force, latest: undefined };
}

/** A blob and where it lies; one that is not kept lies in the scratch directory. */
export interface LayerBlob {
  readonly record: BlobRecord;
  readonly path: string;
}

/** What a variant is called in the layer's record. */
function variantName({ compression, level, latest, everyFile }: BlobForm): string {
  const words = [compression, level ?? 'default', latest ?? 'any'];
  return [...words, ...(everyFile ? ['every'] : [])].join(':');
}

/** What a layer is known to be in this form, whether its blob is still here or not. */
export function knownBlob(layer: LayerRecord | undefined, form: BlobForm): BlobRecord | undefined {
  const { blob, variants, key } = layer ?? {};
  if (variantName(form) === variantName(DEFAULT_FORM)) {
    if (blob === undefined || blob.compression === form.compression) return blob;
  }
  // A layer of an image is what it was when it came: its digest is known elsewhere.
  if (blob !== undefined && key === undefined && !form.force) return blob;
  return variants?.[variantName(form)];
}

/** Does the index tell that no file of the layer has extended attributes? */
function isWithoutXattrs(index: CacheIndex, layer: LayerRecord): boolean {
  if (layer.withoutXattrs !== undefined) return layer.withoutXattrs;
  const step = layer.key === undefined ? undefined : index.steps.get(layer.key);
  // An entry that was replaced says nothing of the layer that it had before.
  if (step?.layer !== layer.id) return false;
  const { kind, operands, files } = step.inputs;
  // What is unpacked has the attributes that its archive says, a program sets what it likes.
  if (kind !== 'copy' || operands.unpack !== 'never') return false;
  return !files.some(({ tree }) => mayHaveXattrs((digest) => index.trees.get(digest), tree));
}

/** How a layer is packed, for every caller: this decides its diffID. */
export function getPacking(
  store: Store,
  id: LayerId,
): Pick<PackOptions, 'wholeSeconds' | 'withoutXattrs'> {
  const index = getTables(store);
  const layer = index.layers.get(id);
  return {
    // What was pulled should get the diffID again that it came with.
    wholeSeconds: layer?.key !== undefined || layer?.external !== undefined,
    withoutXattrs: layer !== undefined && isWithoutXattrs(index, layer),
  };
}

/** The archive; that of a base image's layer from its blob, which has the diffID. */
function getArchive(
  store: Store,
  layer: LayerRecord | undefined,
  id: LayerId,
  opaque: readonly string[],
  form: BlobForm,
  onNewest: (seconds: number) => void,
  memory: WindowMemory,
): AsyncIterable<Window> {
  const { blob, key } = layer ?? {};
  if (blob !== undefined && key === undefined && isKept(store, blob)) {
    const file = createReadStream(blobPath(store.paths, blob.digest));
    return getWindows(decompressed(file, undefined), memory);
  }
  const { latest, everyFile } = form;
  const packing = getPacking(store, id);
  return packLayer(layerFiles(store, id), {
    opaque,
    latest,
    everyFile,
    ...packing,
    onNewest,
    memory,
  });
}

/** @param file what becomes the blob */
function publishBlob(
  store: Store,
  id: LayerId,
  form: BlobForm,
  record: BlobRecord,
  file: string,
): void {
  const name = variantName(form);
  const index = getTables(store);
  write(index, () => {
    placeBlob(store, file, record.digest);
    const layer = index.layers.get(id);
    const { blob } = layer ?? {};
    // One that is known, and was made anew, is gone.
    const replaces = blob === undefined || blob.compression === form.compression;
    if (name === variantName(DEFAULT_FORM) && replaces) changeLayer(index, id, { blob: record });
    else changeLayer(index, id, { variants: { ...layer?.variants, [name]: record } });
    markUnsynced(index, blobMark(record.digest));
    // An image, or a cache, that has the same layer need not bring it again.
    if (layer && index.diffIds.get(record.diffId) === undefined)
      index.diffIds.putSync(record.diffId, id);
  });
}

/** The blob of a layer in this form, if the store has it. */
export function findBlob(store: Store, id: LayerId, form: BlobForm): LayerBlob | undefined {
  const record = knownBlob(getTables(store).layers.get(id), form);
  if (!record || !isKept(store, record)) return undefined;
  return { record, path: blobPath(store.paths, record.digest) };
}

/** Bytes of a layer that several threads compress sooner than one. */
const LARGE = 4 << 20;

export interface MakeBlobOptions {
  /** Shared by callers that make several blobs. */
  readonly threads?: GzipThreads | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes the blob of a layer. Archives without compression are not kept: they would take as much
 * space again as the layer itself.
 * @param opaque the layer's opaque directories
 * @param output an empty file on the file system of the store, whose readers get the blob's bytes as
 *   they come; the caller ends it when this fails
 */
export async function makeBlob(
  store: Store,
  id: LayerId,
  opaque: readonly string[],
  form: BlobForm,
  { path, file }: { readonly path: string; readonly file: GrowingFile },
  { threads, signal }: MakeBlobOptions = {},
): Promise<LayerBlob> {
  const { compression, level } = form;
  const layer = getTables(store).layers.get(id);
  // Who compresses an archive anew does not look at its files.
  let newest = layer?.blob?.newest;
  if (compression === 'gzip' && (layer?.bytes ?? 0) > LARGE) threads?.prepare();
  const memory = createWindowMemory();
  const onNewest = (seconds: number) => {
    newest = seconds;
  };
  const archive = getArchive(store, layer, id, opaque, form, onNewest, memory);
  const { chunks, result } = compress(archive, compression, { level, threads, memory });
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    file.write(chunk);
  }
  file.end();
  const { digest, size, diffId } = await result;
  const times = newest === undefined ? {} : { newest };
  const record: BlobRecord = { digest, size, diffId, compression, ...times };
  if (compression === 'none') return { record, path };
  checkpoint('blob:written');
  publishBlob(store, id, form, record, path);
  checkpoint('blob:published');
  return { record, path: blobPath(store.paths, digest) };
}

/** Passes a stream on and writes it to a file on the way. */
export async function* teeToFile(source: Readable, file: string): AsyncGenerator<Buffer> {
  const descriptor = openSync(file, 'w');
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      writeAll(descriptor, chunk);
      yield chunk;
    }
  } finally {
    closeSync(descriptor);
  }
}

/** What teeToFile has written, from its beginning. */
export function readTee(file: string): Readable {
  return createReadStream(file);
}
