/** A build result as an OCI image (image-spec: manifest.md, config.md), into any sink. */
import { createReadStream } from 'node:fs';
import { blobPath, layerBlob } from '../cache/blobs.js';
import { layerPath } from '../cache/layer-store.js';
import type { BlobRecord, ImageRecord, LayerId } from '../cache/records.js';
import type { Store } from '../cache/store.js';
import { sha256 } from '../keys/digest.js';
import { opaqueDirectories } from '../layers/layer-digest.js';
import type { Descriptor, Digest, ImageHistoryEntry, ImageSink } from '../oci/image.js';
import {
  OCI_CONFIG,
  OCI_LAYER,
  OCI_LAYER_GZIP,
  OCI_LAYER_ZSTD,
  OCI_MANIFEST,
} from '../oci/media-types.js';
import { parsePlatform } from '../oci/platform.js';
import { INLINE_MEMBER } from '../shared-cache/media-types.js';

const LAYER_TYPES = { none: OCI_LAYER, gzip: OCI_LAYER_GZIP, zstd: OCI_LAYER_ZSTD } as const;

/** Seconds since the epoch from $SOURCE_DATE_EPOCH, else when the image was built. */
function createdAt(image: ImageRecord): string {
  const epoch = process.env.SOURCE_DATE_EPOCH;
  const ms = epoch !== undefined && /^\d+$/.test(epoch) ? Number(epoch) * 1000 : image.created;
  return new Date(ms).toISOString();
}

/** Each layer has one entry that is not empty; layers no instruction speaks of get one as well. */
function historyOf(image: ImageRecord, created: string): ImageHistoryEntry[] {
  const entries = image.history.map(
    ({ created_by, empty_layer }): ImageHistoryEntry => ({
      created,
      created_by,
      comment: 'wiac',
      ...(empty_layer ? { empty_layer } : {}),
    }),
  );
  const missing = image.layers.length - entries.filter((entry) => !entry.empty_layer).length;
  const unnamed = { created, created_by: 'build context', comment: 'wiac' };
  return [...Array.from({ length: Math.max(0, missing) }, () => unnamed), ...entries];
}

function jsonBlob(value: unknown, mediaType: string): { bytes: Buffer; descriptor: Descriptor } {
  const bytes = Buffer.from(JSON.stringify(value));
  const digest = `sha256:${sha256(bytes)}` as Digest;
  return { bytes, descriptor: { mediaType, digest, size: bytes.length } };
}

/** The blob of a layer that is here; see layerBlob. */
export async function blobOf(
  store: Store,
  id: LayerId,
  scratch: string,
  compression?: 'gzip' | 'zstd',
): Promise<BlobRecord> {
  const opaque =
    store.index.layers.get(id)?.opaque ?? (await opaqueDirectories(layerPath(store.paths, id)));
  return layerBlob(store, id, opaque, scratch, compression);
}

async function blobsOf(store: Store, image: ImageRecord, scratch: string): Promise<BlobRecord[]> {
  const blobs: BlobRecord[] = [];
  for (const id of image.layers) blobs.push(await blobOf(store, id, scratch));
  return blobs;
}

/**
 * Writes an image to a sink. Layers are packed and compressed once, then kept as blobs.
 * @param platform `os/architecture[/variant]` it was built for
 * @returns the manifest's descriptor
 * @throws ImageError, NoSpaceError
 */
export async function exportImage(
  store: Store,
  image: ImageRecord,
  platform: string,
  sink: ImageSink,
  scratch: string,
): Promise<Descriptor> {
  const blobs = await blobsOf(store, image, scratch);
  const created = createdAt(image);
  const config = jsonBlob(
    {
      created,
      ...parsePlatform(platform),
      config: image.config,
      rootfs: { type: 'layers', diff_ids: blobs.map(({ diffId }) => diffId) },
      history: historyOf(image, created),
      ...(image.cache === undefined ? {} : { [INLINE_MEMBER]: image.cache }),
    },
    OCI_CONFIG,
  );
  const layers = blobs.map(
    ({ digest, size, compression }): Descriptor => ({
      mediaType: LAYER_TYPES[compression],
      digest: digest as Digest,
      size,
    }),
  );
  await Promise.all(
    layers.map((layer) =>
      sink.putBlob(layer, () => createReadStream(blobPath(store, layer.digest))),
    ),
  );
  const { Readable } = await import('node:stream');
  await sink.putBlob(config.descriptor, () => Readable.from([config.bytes]));
  const manifest = jsonBlob(
    { schemaVersion: 2, mediaType: OCI_MANIFEST, config: config.descriptor, layers },
    OCI_MANIFEST,
  );
  return sink.putManifest(manifest.bytes, OCI_MANIFEST, 'root');
}
