/** A build result as an image (image-spec: manifest.md, config.md, image-index.md), into any sink. */
import { Readable } from 'node:stream';
import { isDeepStrictEqual } from 'node:util';
import type { Annotation } from '../../oci/annotations.js';
import { getAnnotations } from '../../oci/annotations.js';
import { getDigest } from '../../oci/blob-digest.js';
import { configBytes } from '../../oci/config-blob.js';
import {
  DOCKER_CONFIG,
  DOCKER_INDEX,
  DOCKER_MANIFEST,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_MANIFEST,
} from '../../oci/media-types.js';
import { isIndex, parseConfig, parseManifest } from '../../oci/parse-manifest.js';
import { parsePlatform } from '../../oci/platform.js';
import type { Descriptor, ImageSink } from '../../oci/resolved-image.js';
import type { BlobForm } from '../../store/blobs/blobs.js';
import { DEFAULT_FORM, withoutTimes, withTimes } from '../../store/blobs/blobs.js';
import { ownLayers } from '../../store/images/own-layers.js';
import type { ImageRecord } from '../../store/records.js';
import type { Store } from '../../store/store.js';
import type { Elsewhere } from '../images/elsewhere.js';
import type { ExportedLayer, MediaTypes } from './export-layers.js';
import { exportLayers } from './export-layers.js';

/** How an image is written. */
export interface ExportOptions {
  readonly form: BlobForm;
  readonly mediaTypes: MediaTypes;
  readonly annotations: readonly Annotation[];
  /** Seconds since the epoch for everything that has no time of its own; SOURCE_DATE_EPOCH. */
  readonly epoch: number | undefined;
  /** Ends the work early; its reason is not what is thrown then. */
  readonly signal?: AbortSignal;
}

/** An OCI image with gzip layers. */
export const DEFAULT_EXPORT: ExportOptions = {
  form: DEFAULT_FORM,
  mediaTypes: 'oci',
  annotations: [],
  epoch: undefined,
};

/** Statements about an image: predicate type and content of each. */
export interface Attestation {
  readonly predicateType: string;
  readonly statement: unknown;
}

/** An image to be written, and what there is to be said about it once its digest is known. */
export interface ExportItem {
  readonly image: ImageRecord;
  /** Layers that are not here, and that the sink has. */
  readonly elsewhere?: Elsewhere | undefined;
  readonly attest?: ((manifest: Descriptor) => Promise<readonly Attestation[]>) | undefined;
}

/** What was written. */
export interface Exported {
  /** What the sink's reference names: a manifest, or an index. */
  readonly root: Descriptor;
  /** One for each item, with its platform. */
  readonly manifests: readonly Descriptor[];
  readonly configs: readonly Descriptor[];
}

const TYPES = {
  oci: { manifest: OCI_MANIFEST, config: OCI_CONFIG, index: OCI_INDEX },
  docker: { manifest: DOCKER_MANIFEST, config: DOCKER_CONFIG, index: DOCKER_INDEX },
} as const;

interface JsonBlob {
  readonly bytes: Uint8Array;
  readonly descriptor: Descriptor;
}

function getBlob(bytes: Uint8Array, mediaType: string): JsonBlob {
  return { bytes, descriptor: { mediaType, digest: getDigest(bytes), size: bytes.length } };
}

function jsonBlob(value: unknown, mediaType: string): JsonBlob {
  return getBlob(Buffer.from(JSON.stringify(value)), mediaType);
}

/** The config that the image came with, as long as it has the same layers; else one of our own. */
function getConfig(
  image: ImageRecord,
  layers: readonly ExportedLayer[],
  epoch: number | undefined,
  mediaType: string,
): JsonBlob {
  const records = layers.map(({ record }) => record);
  const { original } = image;
  if (original) {
    const { rootfs } = parseConfig(original.config, 'the image as it came');
    const diffIds = records.map(({ diffId }) => diffId);
    if (isDeepStrictEqual(rootfs.diff_ids, diffIds)) return getBlob(original.config, mediaType);
  }
  return getBlob(configBytes(image, records, epoch ?? image.epoch), mediaType);
}

async function putJson(sink: ImageSink, value: unknown, mediaType: string): Promise<Descriptor> {
  const { bytes, descriptor } = jsonBlob(value, mediaType);
  await sink.putBlob(descriptor, () => Readable.from([bytes]));
  return descriptor;
}

interface WrittenImage {
  readonly manifest: JsonBlob;
  readonly config: Descriptor;
}

/**
 * Manifest and config as they were pulled: when nothing else is asked for, and the store has the
 * layers as they came.
 */
function getOriginal(
  { original }: ImageRecord,
  layers: readonly ExportedLayer[],
  { form, mediaTypes, annotations }: ExportOptions,
): (WrittenImage & { readonly configBytes: Uint8Array }) | undefined {
  const asItIs = isDeepStrictEqual(form, DEFAULT_FORM) && annotations.length === 0;
  if (!original || !asItIs || original.mediaType !== TYPES[mediaTypes].manifest) return undefined;
  const { mediaType, config: configBytes } = original;
  const bytes = Buffer.from(original.manifest);
  const manifest = parseManifest(bytes, mediaType, 'the image as it was pulled');
  if (isIndex(manifest) || manifest.layers.length !== layers.length) return undefined;
  const same = manifest.layers.every(({ digest }, at) => digest === layers[at]?.descriptor.digest);
  if (!same) return undefined;
  const descriptor = { mediaType, digest: getDigest(bytes), size: bytes.length };
  return { manifest: { bytes, descriptor }, config: manifest.config, configBytes };
}

/** The options with the times that the image itself has. */
function withOwnTimes(options: ExportOptions, { times }: ImageRecord): ExportOptions {
  if (times === undefined) return options;
  return { ...options, epoch: times.seconds, form: withTimes(options.form, times) };
}

/** Puts everything of an image but its manifest. */
async function writeImage(
  store: Store,
  { image, elsewhere = new Map() }: ExportItem,
  sink: ImageSink,
  scratch: string,
  options: ExportOptions,
): Promise<WrittenImage> {
  const { form, mediaTypes, annotations, epoch, signal } = options;
  const own = ownLayers(store, image);
  const layers = await exportLayers(
    { store, sink, mediaTypes, scratch, elsewhere, signal },
    image.layers.map((id, at) => ({ id, form: own[at] ? form : withoutTimes(form) })),
  );
  const arrived = () => Promise.all(layers.map(({ sent }) => sent));
  const original = getOriginal(image, layers, options);
  if (original) {
    const put = sink.putBlob(original.config, () => Readable.from([original.configBytes]));
    await Promise.all([put, arrived()]);
    return original;
  }
  const config = getConfig(image, layers, epoch, TYPES[mediaTypes].config);
  // The registry may be busy with the layers for a while.
  const put = sink.putBlob(config.descriptor, () => Readable.from([config.bytes]));
  await Promise.all([put, arrived()]);
  const said = getAnnotations(annotations, 'manifest', image.platform);
  const mediaType = TYPES[mediaTypes].manifest;
  const manifest = {
    schemaVersion: 2,
    mediaType,
    config: config.descriptor,
    layers: layers.map(({ descriptor }) => descriptor),
    ...(said === undefined ? {} : { annotations: said }),
  };
  return { manifest: jsonBlob(manifest, mediaType), config: config.descriptor };
}

/**
 * The manifest of what is said about an image, as BuildKit stores it (docs/attestations/
 * attestation-storage.md of moby/buildkit): one blob for each statement, no platform to run it on.
 */
async function putAttestations(
  sink: ImageSink,
  subject: Descriptor,
  attestations: readonly Attestation[],
): Promise<Descriptor> {
  const layers: Descriptor[] = [];
  for (const { predicateType, statement } of attestations) {
    const blob = await putJson(sink, statement, 'application/vnd.in-toto+json');
    layers.push({ ...blob, annotations: { 'in-toto.io/predicate-type': predicateType } });
  }
  const config = await putJson(
    sink,
    {
      architecture: 'unknown',
      os: 'unknown',
      config: {},
      rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
    },
    OCI_CONFIG,
  );
  const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers };
  const bytes = Buffer.from(JSON.stringify(manifest));
  return {
    ...(await sink.putManifest(bytes, OCI_MANIFEST, 'child')),
    annotations: {
      'vnd.docker.reference.digest': subject.digest,
      'vnd.docker.reference.type': 'attestation-manifest',
    },
    platform: { architecture: 'unknown', os: 'unknown' },
  };
}

/**
 * Writes images to a sink: one alone as a manifest, several or one with attestations as an index.
 * @throws ImageError, NoSpaceError
 */
export async function exportImages(
  store: Store,
  items: readonly ExportItem[],
  sink: ImageSink,
  scratch: string,
  options: ExportOptions,
): Promise<Exported> {
  const { annotations, mediaTypes } = options;
  const [only] = items;
  const single = items.length === 1 && only?.attest === undefined;
  const manifests: Descriptor[] = [];
  const attestations: Descriptor[] = [];
  const configs: Descriptor[] = [];
  for (const item of items) {
    const { image, attest } = item;
    const { manifest, config } = await writeImage(
      store,
      item,
      sink,
      scratch,
      withOwnTimes(options, image),
    );
    const own = getAnnotations(annotations, 'manifest-descriptor', image.platform);
    const { bytes, descriptor } = manifest;
    await sink.putManifest(bytes, descriptor.mediaType, single ? 'root' : 'child', own);
    const described: Descriptor = {
      ...descriptor,
      platform: parsePlatform(image.platform),
      ...(own === undefined ? {} : { annotations: own }),
    };
    manifests.push(described);
    configs.push(config);
    const statements = (await attest?.(described)) ?? [];
    if (statements.length > 0)
      attestations.push(await putAttestations(sink, described, statements));
  }
  const [root] = manifests;
  if (single && root) return { root, manifests, configs };
  const mediaType = TYPES[mediaTypes].index;
  const own = getAnnotations(annotations, 'index');
  const index = {
    schemaVersion: 2,
    mediaType,
    manifests: [...manifests, ...attestations],
    ...(own === undefined ? {} : { annotations: own }),
  };
  const bytes = Buffer.from(JSON.stringify(index));
  const described = getAnnotations(annotations, 'index-descriptor');
  return {
    root: await sink.putManifest(bytes, mediaType, 'root', described),
    manifests,
    configs,
  };
}
