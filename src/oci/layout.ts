/** OCI image layout directories (image-spec image-layout.md) as source and sink. */
import { access, mkdir, open, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { WiacError } from '../errors.js';
import type { ArtifactSource } from './artifact.js';
import { digestOf, verified } from './digest.js';
import { ImageError, messageOf } from './errors.js';
import type { Descriptor, Digest, ImageIndex, ImageSink, ImageSource, OpenBlob } from './image.js';
import {
  blobPath,
  type LayoutFiles,
  layoutFilesSource,
  REF_NAME,
  readLayoutIndex,
} from './layout-files.js';
import { DOCKER_CONFIG, OCI_CONFIG, OCI_INDEX } from './media-types.js';
import { isIndex, parseConfig, parseManifest } from './parse.js';
import { formatReference, type LayoutReference } from './reference.js';
import { writeWhole } from './write-file.js';

const MARKER = JSON.stringify({ imageLayoutVersion: '1.0.0' });

function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

function directoryFiles(directory: string, title: string): LayoutFiles {
  return {
    title,
    async open(path) {
      try {
        const handle = await open(join(directory, path));
        const { size } = await handle.stat();
        return { size, stream: handle.createReadStream() };
      } catch (cause) {
        if (isMissing(cause)) return undefined;
        throw new ImageError(`cannot read ${title}: ${messageOf(cause)}`, { cause });
      }
    },
    close: async () => undefined,
  };
}

/** An image or an artifact in a layout directory. */
export function layoutSource(reference: LayoutReference): ImageSource & ArtifactSource {
  const title = formatReference({ kind: 'oci-layout', directory: reference.directory });
  return layoutFilesSource(directoryFiles(reference.directory, title), reference);
}

async function writeBytes(path: string, bytes: string | Uint8Array): Promise<void> {
  await writeWhole(path, (output) => pipeline([bytes], output));
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** The platform of an image whose manifest and config are in the layout. */
async function platformOf(
  directory: string,
  bytes: Uint8Array,
  mediaType: string,
  title: string,
): Promise<Pick<Descriptor, 'platform'>> {
  const manifest = parseManifest(bytes, mediaType, title);
  if (isIndex(manifest)) return {};
  // Artifacts have configs of their own, which say nothing of platforms.
  if (![OCI_CONFIG, DOCKER_CONFIG].includes(manifest.config.mediaType)) return {};
  const path = join(directory, blobPath(manifest.config.digest));
  const { os, architecture, variant } = parseConfig(await readFile(path), title);
  return { platform: { os, architecture, ...(variant === undefined ? {} : { variant }) } };
}

/** index.json with a new entry; the name, or the same unnamed image, is there once. */
function withEntry(index: ImageIndex, entry: Descriptor): ImageIndex {
  const name = entry.annotations?.[REF_NAME];
  const others = index.manifests.filter((other) => {
    const otherName = other.annotations?.[REF_NAME];
    return name === undefined
      ? otherName !== undefined || other.digest !== entry.digest
      : otherName !== name;
  });
  return { ...index, manifests: [...others, entry] };
}

const EMPTY_INDEX: ImageIndex = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] };

async function storeBlob(
  directory: string,
  descriptor: Descriptor,
  openBlob: OpenBlob,
  title: string,
): Promise<void> {
  const path = join(directory, blobPath(descriptor.digest));
  if (await exists(path)) return;
  await mkdir(dirname(path), { recursive: true });
  await writeWhole(path, async (output) => {
    const input = verified(await openBlob(), descriptor, title, { reference: title });
    await pipeline(input, output);
  });
}

/** What the file system refuses is the layout's trouble, and its message says which. */
async function writing<T>(title: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    if (cause instanceof WiacError) throw cause;
    throw new ImageError(`cannot write ${title}: ${messageOf(cause)}`, { reference: title, cause });
  }
}

/**
 * A layout directory to write an image to; made with the first blob if it is not there. Blobs are
 * verified while they are written. Files appear whole or not at all; index.json names the image
 * last. Two processes that name images in the same layout at the same moment are not kept apart.
 */
export function layoutSink(reference: LayoutReference): ImageSink {
  const { directory, tag } = reference;
  const title = formatReference(reference);
  const files = directoryFiles(directory, title);
  const blobFile = (digest: Digest) => join(directory, blobPath(digest));

  const addRoot = async (entry: Descriptor): Promise<void> => {
    if (reference.digest !== undefined && reference.digest !== entry.digest)
      throw new ImageError(`${title}: the image's digest is ${entry.digest}`, { reference: title });
    const isLayout = await exists(join(directory, 'oci-layout'));
    const index = isLayout ? (await readLayoutIndex(files)).index : EMPTY_INDEX;
    if (!isLayout) await writeBytes(join(directory, 'oci-layout'), MARKER);
    const bytes = JSON.stringify(withEntry(index, entry));
    await writeBytes(join(directory, 'index.json'), bytes);
  };

  return {
    title,
    hasBlob: (digest) => exists(blobFile(digest)),
    putBlob: (descriptor, openBlob) =>
      writing(title, () => storeBlob(directory, descriptor, openBlob, title)),
    putManifest: (bytes, mediaType, role) =>
      writing(title, async () => {
        const digest = digestOf(bytes);
        const descriptor: Descriptor = { mediaType, digest, size: bytes.length };
        await mkdir(dirname(blobFile(digest)), { recursive: true });
        await writeBytes(blobFile(digest), bytes);
        if (role === 'root')
          await addRoot({
            ...descriptor,
            ...(await platformOf(directory, bytes, mediaType, title)),
            ...(tag === undefined ? {} : { annotations: { [REF_NAME]: tag } }),
          });
        return descriptor;
      }),
    close: async () => undefined,
  };
}
