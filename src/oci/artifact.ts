/** Manifests whose config is not that of an image (image-spec manifest.md, "Guidelines for Artifact Usage"). */
import type { Readable } from 'node:stream';
import { ImageError } from './image-error.js';
import { type BlobReader, collect, findManifest, type RootManifest } from './resolve.js';
import type { Descriptor, Digest, ImageManifest, Platform } from './resolved-image.js';

/** A manifest with its config as bytes, whatever they mean; all verified. */
export interface Artifact {
  readonly title: string;
  /** Digest of what the reference names: a manifest, or an index with it. */
  readonly root: Digest;
  readonly manifest: ImageManifest;
  readonly configBytes: Uint8Array;
  /** Opens a blob; size and digest are verified while it is read. @throws ImageError */
  readonly openBlob: (descriptor: Descriptor) => Promise<Readable>;
}

/** Where an artifact comes from; bound to one reference. */
export interface ArtifactSource {
  readonly title: string;
  /**
   * @param platform chooses the manifest where an index has several
   * @param maxConfigBytes a larger config is refused
   * @throws ImageError
   */
  artifact(platform: Platform, maxConfigBytes: number): Promise<Artifact>;
  /**
   * What the reference names now, by a short request.
   * @returns its digest; undefined when nothing is there, or the source does not say
   * @throws ImageError
   */
  digest(): Promise<Digest | undefined>;
  close(): Promise<void>;
}

/** Follows indexes to a manifest and reads its config. @throws ImageError */
export async function resolveArtifact(
  root: RootManifest,
  platform: Platform,
  reader: BlobReader,
  maxConfigBytes: number,
): Promise<Artifact> {
  const { title } = reader;
  const { manifest } = await findManifest(root, platform, reader);
  const { config } = manifest;
  if (config.size > maxConfigBytes)
    throw new ImageError(`config of ${title} is larger than ${maxConfigBytes} bytes`);
  const configBytes = await collect(
    await reader.openBlob(config),
    maxConfigBytes,
    `config of ${title}`,
  );
  const { digest } = root.descriptor;
  const openBlob = (blob: Descriptor) => reader.openBlob(blob);
  return { title, root: digest, manifest, configBytes, openBlob };
}
