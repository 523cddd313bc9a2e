/** From the manifest or index that a reference names to one image: the same for every source. */
import type { Readable } from 'node:stream';
import { plural } from '../util/plural.js';
import { ImageError, type ImageErrorContext } from './image-error.js';
import { isIndex, MAX_JSON_BYTES, parseConfig, parseManifest } from './parse-manifest.js';
import { choosePlatform } from './platform.js';
import type {
  Descriptor,
  Digest,
  ImageManifest,
  Platform,
  ResolvedImage,
} from './resolved-image.js';

/** What a source must be able to do; all content is verified against the descriptor. */
export interface BlobReader {
  readonly title: string;
  /** For errors: which registry. */
  readonly context?: ImageErrorContext;
  readManifest(descriptor: Descriptor): Promise<Uint8Array>;
  openBlob(descriptor: Descriptor): Promise<Readable>;
}

/** A manifest or index whose bytes are verified. */
export interface RootManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** Where manifests come from, whatever they are of; bound to one reference. */
export interface ManifestSource {
  readonly reader: BlobReader;
  /** What the reference names. @throws ImageError */
  root(): Promise<RootManifest>;
  close(): Promise<void>;
}

/** Indexes within indexes are followed to this depth. */
export const MAX_DEPTH = 4;

/**
 * Reads a whole stream into memory.
 * @param limit bytes
 * @throws ImageError when there is more
 */
export async function collect(stream: Readable, limit: number, what: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) throw new ImageError(`${what} is larger than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** @throws ImageError for a manifest or config that is too large to be one */
export function checkJsonSize(descriptor: Descriptor, what: string): void {
  if (descriptor.size > MAX_JSON_BYTES)
    throw new ImageError(`${what} is larger than ${MAX_JSON_BYTES} bytes`);
}

/**
 * Follows indexes to the manifest for a platform.
 * @throws ImageError
 */
export async function findManifest(
  root: RootManifest,
  platform: Platform,
  reader: BlobReader,
): Promise<RootManifest & { manifest: ImageManifest }> {
  let current = root;
  for (let depth = 0; depth <= MAX_DEPTH; depth++) {
    const { descriptor, bytes } = current;
    const manifest = parseManifest(bytes, descriptor.mediaType, reader.title);
    if (!isIndex(manifest)) return { descriptor, bytes, manifest };
    const next = choosePlatform(manifest.manifests, platform, reader.title);
    checkJsonSize(next, `manifest of ${reader.title}`);
    current = { descriptor: next, bytes: await reader.readManifest(next) };
  }
  throw new ImageError(`${reader.title} has more than ${MAX_DEPTH} indexes within each other`, {
    ...reader.context,
  });
}

/**
 * Follows indexes to the image for a platform and reads its config.
 * @throws ImageError
 */
export async function resolveImage(
  root: RootManifest,
  platform: Platform,
  reader: BlobReader,
): Promise<ResolvedImage> {
  const { title } = reader;
  const { descriptor, bytes, manifest } = await findManifest(root, platform, reader);
  checkJsonSize(manifest.config, `config of ${title}`);
  const configStream = await reader.openBlob(manifest.config);
  const configBytes = await collect(configStream, MAX_JSON_BYTES, `config of ${title}`);
  const config = parseConfig(configBytes, title, platform);
  return {
    rootDescriptor: root.descriptor,
    manifestDescriptor: descriptor,
    manifest,
    manifestBytes: bytes,
    config,
    configBytes,
    layers: pairLayers(manifest.layers, config.rootfs.diff_ids, title).map((layer) => ({
      ...layer,
      open: () => reader.openBlob(layer.descriptor),
    })),
  };
}

/**
 * Each layer with its diffID.
 * @throws ImageError when there are not as many of the one as of the other, or one is encrypted
 */
export function pairLayers(
  layers: readonly Descriptor[],
  diffIds: readonly Digest[],
  title: string,
): { descriptor: Descriptor; diffId: Digest }[] {
  if (layers.length !== diffIds.length)
    throw new ImageError(
      `${title} is damaged: ${plural(layers.length, 'layer')} in its manifest, ${diffIds.length} in its config`,
      { reference: title },
    );
  const secret = layers.find(({ mediaType }) => mediaType.endsWith('+encrypted'));
  if (secret)
    throw new ImageError(`${title} has an encrypted layer (${secret.digest})`, {
      reference: title,
      hint: 'wiac has no keys for layers: skopeo copy --decryption-key writes an image without encryption',
    });
  return layers.flatMap((descriptor, at) => {
    const diffId = diffIds[at];
    return diffId === undefined ? [] : [{ descriptor, diffId }];
  });
}
