/** Manifests whose config is not that of an image (image-spec manifest.md, "Guidelines for Artifact Usage"). */
import type { Readable } from 'node:stream';
import { ImageError } from './image-error.js';
import { isIndex, parseManifest } from './parse-manifest.js';
import { choosePlatform, isAttestation } from './platform.js';
import {
  type BlobReader,
  checkJsonSize,
  collect,
  findManifest,
  type RootManifest,
} from './resolve.js';
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

/** What one reference names. */
export type Artifacts = readonly [Artifact, ...Artifact[]];

/** Where an artifact comes from; bound to one reference. */
export interface ArtifactSource {
  readonly title: string;
  /**
   * One, or those of all platforms where an index has several.
   * @param platform chooses where an index has another one inside
   * @param maxConfigBytes a larger config is refused
   * @throws ImageError
   */
  artifacts(platform: Platform, maxConfigBytes: number): Promise<Artifacts>;
  /**
   * What the reference names now, by a short request.
   * @returns its digest; undefined when nothing is there, or the source does not say
   * @throws ImageError
   */
  digest(): Promise<Digest | undefined>;
  close(): Promise<void>;
}

/** Of an index: images have some ten platforms. */
const MAX_PLATFORMS = 32;

/** Follows indexes to manifests and reads their configs. @throws ImageError */
export async function resolveArtifacts(
  root: RootManifest,
  platform: Platform,
  reader: BlobReader,
  maxConfigBytes: number,
): Promise<Artifacts> {
  const { descriptor, bytes } = root;
  const manifest = parseManifest(bytes, descriptor.mediaType, reader.title);
  const open = (found: RootManifest) => openArtifact(root, found, platform, reader, maxConfigBytes);
  if (!isIndex(manifest)) return [await open(root)];
  const all = manifest.manifests.filter((one) => !isAttestation(one)).slice(0, MAX_PLATFORMS);
  const read = async (one: Descriptor): Promise<Artifact> => {
    checkJsonSize(one, `manifest of ${reader.title}`);
    return open({ descriptor: one, bytes: await reader.readManifest(one) });
  };
  const [first = choosePlatform(all, platform, reader.title), ...others] = all;
  const artifacts: [Artifact, ...Artifact[]] = [await read(first)];
  for (const one of others) artifacts.push(await read(one));
  return artifacts;
}

async function openArtifact(
  root: RootManifest,
  found: RootManifest,
  platform: Platform,
  reader: BlobReader,
  maxConfigBytes: number,
): Promise<Artifact> {
  const { title } = reader;
  const { manifest } = await findManifest(found, platform, reader);
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
