/** Reads images from an OCI image layout, wherever its files are: a directory or an archive. */
import type { Readable } from 'node:stream';
import { type ArtifactSource, resolveArtifacts } from './artifact.js';
import { digestParts, getDigest, verified } from './blob-digest.js';
import { BlobDamagedError, BlobGoneError, getMessage, ImageError } from './image-error.js';
import { OCI_INDEX } from './media-types.js';
import { isIndex, MAX_JSON_BYTES, parseManifest } from './parse-manifest.js';
import { isAttestation } from './platform.js';
import {
  type BlobReader,
  collect,
  type ManifestSource,
  type RootManifest,
  resolveImage,
} from './resolve.js';
import type { Descriptor, Digest, ImageIndex, ImageSource } from './resolved-image.js';

/** Annotation of index.json's entries that names an image (image-spec annotations.md). */
export const REF_NAME = 'org.opencontainers.image.ref.name';
/** Names of what is said about images: signatures (cosign), and what refers to a manifest (distribution-spec). */
const ASIDE = /^sha256-[0-9a-f]{64}(?:\.[a-z]+)?$/;
/** Where containerd puts the full name, with the tag alone in REF_NAME. */
const CONTAINERD_NAME = 'io.containerd.image.name';

/** The files of a layout by their path in it. */
export interface LayoutFiles {
  /** The layout, for messages. */
  readonly title: string;
  /** @returns undefined when there is no such file */
  open(path: string): Promise<{ stream: Readable; size: number } | undefined>;
  close(): Promise<void>;
}

/** Which of a layout's images is meant. */
export interface LayoutSelection {
  readonly tag?: string | undefined;
  readonly digest?: Digest | undefined;
}

/** Path of a blob in a layout. */
export function blobPath(digest: Digest): string {
  const { algorithm, hex } = digestParts(digest);
  return `blobs/${algorithm}/${hex}`;
}

async function readFile(files: LayoutFiles, path: string): Promise<Buffer> {
  const found = await files.open(path);
  if (found === undefined)
    throw new ImageError(`${files.title} is no OCI image layout: it has no ${path}`, {
      reference: files.title,
      status: 404,
      hint: 'check the path; skopeo copy and wiac build -o type=oci make layouts',
    });
  return collect(found.stream, MAX_JSON_BYTES, `${path} of ${files.title}`);
}

/**
 * Checks `oci-layout` and reads `index.json`.
 * @throws ImageError when it is no layout of version 1
 */
export async function readLayoutIndex(
  files: LayoutFiles,
): Promise<{ index: ImageIndex; bytes: Uint8Array }> {
  const marker = (await readFile(files, 'oci-layout')).toString();
  let version: unknown;
  try {
    version = (JSON.parse(marker) as { imageLayoutVersion?: unknown }).imageLayoutVersion;
  } catch (cause) {
    throw new ImageError(`${files.title}: oci-layout is not JSON: ${getMessage(cause)}`, { cause });
  }
  if (typeof version !== 'string' || !version.startsWith('1.'))
    throw new ImageError(`${files.title} is an OCI image layout of an unknown version: ${version}`);
  const bytes = await readFile(files, 'index.json');
  const index = parseManifest(bytes, OCI_INDEX, files.title);
  if (!isIndex(index)) throw new ImageError(`${files.title}: index.json is no index`);
  return { index, bytes };
}

/** One that can't be read, or is no file, is not there as it should be; nothing is wrong with the others. */
async function findBlob(files: LayoutFiles, digest: Digest): ReturnType<LayoutFiles['open']> {
  try {
    return await files.open(blobPath(digest));
  } catch (cause) {
    if (!(cause instanceof ImageError)) throw cause;
    const { message, hint } = cause;
    throw new BlobDamagedError(message, { reference: files.title, hint, cause });
  }
}

async function openBlob(files: LayoutFiles, descriptor: Descriptor): Promise<Readable> {
  const found = await findBlob(files, descriptor.digest);
  if (found === undefined)
    throw new BlobGoneError(`${files.title} lacks the blob ${descriptor.digest}`, {
      reference: files.title,
      hint: 'the layout is not complete; write it again',
    });
  return verified(found.stream, descriptor, files.title, { reference: files.title });
}

function names(descriptor: Descriptor): string[] {
  const { annotations = {} } = descriptor;
  return [annotations[REF_NAME], annotations[CONTAINERD_NAME]].flatMap((name) => name ?? []);
}

function listNames(entries: readonly Descriptor[]): string {
  const found = entries.map((entry) => names(entry)[0] ?? entry.digest);
  return found.length === 0 ? 'it is empty' : `it has ${found.join(', ')}`;
}

/** @returns the entry that is meant; undefined when index.json as a whole is the image's index */
function selectEntry(
  files: LayoutFiles,
  index: ImageIndex,
  selection: LayoutSelection,
): Descriptor | undefined {
  const { tag, digest } = selection;
  const entries = index.manifests;
  if (tag !== undefined) {
    const found = entries.find(
      (entry) => names(entry).includes(tag) && (digest === undefined || entry.digest === digest),
    );
    if (found !== undefined) return found;
    throw new ImageError(`${files.title} has no image ${tag}: ${listNames(entries)}`, {
      reference: files.title,
      status: 404,
    });
  }
  if (digest !== undefined) return entries.find((entry) => entry.digest === digest);
  const isAside = (entry: Descriptor) => names(entry).some((name) => ASIDE.test(name));
  const images = entries.filter((entry) => !isAttestation(entry) && !isAside(entry));
  const [only] = images;
  if (only !== undefined && images.length === 1) return only;
  const latest = images.find((entry) => names(entry).includes('latest'));
  if (latest !== undefined) return latest;
  const unnamed = images.every((entry) => names(entry).length === 0 && entry.platform);
  if (images.length > 0 && unnamed) return undefined;
  throw new ImageError(`${files.title}: which image? ${listNames(entries)}`, {
    reference: files.title,
    hint: 'name one of them after the path: `:NAME` or `@DIGEST`',
  });
}

/** A manifest that index.json does not mention, but an index in the layout does. */
async function unlistedRoot(files: LayoutFiles, digest: Digest): Promise<RootManifest> {
  const found = await files.open(blobPath(digest));
  if (found === undefined || found.size > MAX_JSON_BYTES) {
    found?.stream.destroy();
    throw new ImageError(`${files.title} has no manifest ${digest}`, { reference: files.title });
  }
  const expected = { digest, size: found.size };
  const stream = verified(found.stream, expected, files.title, { reference: files.title });
  const bytes = await collect(stream, MAX_JSON_BYTES, `manifest of ${files.title}`);
  const { mediaType } = parseManifest(bytes, undefined, files.title);
  return { descriptor: { mediaType, ...expected }, bytes };
}

async function findRoot(
  files: LayoutFiles,
  reader: BlobReader,
  selection: LayoutSelection,
): Promise<RootManifest> {
  const { index, bytes } = await readLayoutIndex(files);
  const entry = selectEntry(files, index, selection);
  if (entry !== undefined) return { descriptor: entry, bytes: await reader.readManifest(entry) };
  if (selection.digest !== undefined) return unlistedRoot(files, selection.digest);
  return {
    descriptor: { mediaType: OCI_INDEX, digest: getDigest(bytes), size: bytes.length },
    bytes,
  };
}

/**
 * An image, or an artifact, of a layout.
 * @throws ImageError (its methods)
 */
export function layoutFilesSource(
  files: LayoutFiles,
  selection: LayoutSelection,
): ImageSource & ArtifactSource & ManifestSource {
  const reader: BlobReader = {
    title: files.title,
    context: { reference: files.title },
    openBlob: (descriptor) => openBlob(files, descriptor),
    readManifest: async (descriptor) =>
      collect(await openBlob(files, descriptor), MAX_JSON_BYTES, `manifest of ${files.title}`),
  };
  const root = () => findRoot(files, reader, selection);
  return {
    title: files.title,
    reader,
    root,
    resolve: async (platform) => resolveImage(await root(), platform, reader),
    artifacts: async (platform, maxConfigBytes) =>
      resolveArtifacts(await root(), platform, reader, maxConfigBytes),
    digest: async () => (await root()).descriptor.digest,
    close: () => files.close(),
  };
}
