/** OCI image layout directories (image-spec image-layout.md) as source and sink. */
import { constants } from 'node:fs';
import { access, lstat, lutimes, open, readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { WiacError } from '../util/errors.js';
import { makeDirectories } from '../util/make-directories.js';
import type { ArtifactSource } from './artifact.js';
import { getDigest, verified } from './blob-digest.js';
import { cannotWrite, getMessage, ImageError, sayingMore } from './image-error.js';
import { blobPath, type LayoutFiles, layoutFilesSource, readLayoutIndex } from './layout-files.js';
import { removeGarbage } from './layout-garbage.js';
import { EMPTY_INDEX, getPlatform, LAYOUT_MARKER, rootEntry, withEntry } from './layout-index.js';
import type { LayoutJournal } from './layout-journal.js';
import { beginJournal } from './layout-journal.js';
import { formatReference, type LayoutReference } from './reference.js';
import type { ManifestSource } from './resolve.js';
import type {
  Descriptor,
  Digest,
  ImageIndex,
  ImageSink,
  ImageSource,
  OpenBlob,
} from './resolved-image.js';
import { replaceFile } from './write-file.js';

function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

function directoryFiles(directory: string, title: string): LayoutFiles {
  return {
    title,
    async open(path) {
      try {
        // A Dockerfile can name it: a pipe would be waited for, where no signal ends that, and a device may have no end.
        const handle = await open(join(directory, path), constants.O_RDONLY | constants.O_NONBLOCK);
        const stats = await handle.stat();
        if (stats.isFile()) return { size: stats.size, stream: handle.createReadStream() };
        await handle.close();
        throw new Error(`${path} is no file`);
      } catch (cause) {
        if (isMissing(cause)) return undefined;
        throw new ImageError(`cannot read ${title}: ${getMessage(cause)}`, { cause });
      }
    },
    close: async () => undefined,
  };
}

/** An image or an artifact in a layout directory. */
export function layoutSource(
  reference: LayoutReference,
): ImageSource & ArtifactSource & ManifestSource {
  const title = formatReference({ kind: 'oci-layout', directory: reference.directory });
  return layoutFilesSource(directoryFiles(resolve(reference.directory), title), reference);
}

/** Removes what nothing in a layout names; see removeGarbage. @returns bytes */
export function sweepLayout(directory: string, now: number): Promise<number> {
  const root = resolve(directory);
  const title = formatReference({ kind: 'oci-layout', directory });
  return removeGarbage(root, directoryFiles(root, title), now);
}

async function writeBytes(path: string, bytes: string | Uint8Array): Promise<void> {
  await replaceFile(path, (output) => pipeline([bytes], output));
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/**
 * Is a blob there? Then it is young from now on, and removeGarbage leaves it to who is about to name it. One of
 * another size is damaged: a disk was full, or power was cut. A link is none: somebody else has put it there, and where it
 * leads nothing is to be touched, not even times.
 */
async function keepBlob(path: string, size: number | undefined): Promise<boolean> {
  const there = await lstat(path).catch(() => undefined);
  if (!there?.isFile() || (size !== undefined && there.size !== size)) return false;
  const now = new Date();
  try {
    await lutimes(path, now, now);
  } catch {
    // It may belong to another user, or be gone by now.
    return exists(path);
  }
  return true;
}

async function storeBlob(
  directory: string,
  descriptor: Descriptor,
  openBlob: OpenBlob,
  title: string,
  journal: LayoutJournal | undefined,
  replaces: boolean,
): Promise<void> {
  const path = join(directory, blobPath(descriptor.digest));
  if (!replaces && (await keepBlob(path, descriptor.size))) return;
  makeDirectories(dirname(path));
  journal?.note(descriptor.digest);
  await replaceFile(path, async (output) => {
    const input = verified(await openBlob(), descriptor, title, { reference: title });
    await pipeline(input, output);
  });
}

/** What the layout has; others may have written it. @throws ImageError */
async function readNamed(files: LayoutFiles): Promise<ImageIndex> {
  try {
    return (await readLayoutIndex(files)).index;
  } catch (error) {
    if (!(error instanceof ImageError) || error.hint !== undefined) throw error;
    const hint = 'it is damaged: remove its index.json and oci-layout, and they are written anew';
    throw sayingMore(error, { hint, cause: error });
  }
}

/** What the file system refuses is the layout's trouble, and its message says which. */
async function writing<T>(title: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    if (cause instanceof WiacError) throw cause;
    throw cannotWrite(title, cause, title);
  }
}

/**
 * A layout directory to write an image to; made with the first blob if it is not there. Blobs are
 * verified while they are written. Files appear whole or not at all; index.json names the image
 * last. Two processes that name images in the same layout at the same moment are not kept apart.
 */
export function layoutSink(reference: LayoutReference): ImageSink {
  const { tag } = reference;
  // The current directory is another one for moments (src/fs/scan/listing.ts).
  const directory = resolve(reference.directory);
  const title = formatReference(reference);
  const files = directoryFiles(directory, title);
  const blobFile = (digest: Digest) => join(directory, blobPath(digest));
  let begun: Promise<LayoutJournal | undefined> | undefined;
  const journal = () => {
    makeDirectories(directory);
    begun ??= beginJournal(directory);
    return begun;
  };

  const addRoot = async (entry: Descriptor): Promise<void> => {
    if (reference.digest !== undefined && reference.digest !== entry.digest)
      throw new ImageError(`${title}: the image's digest is ${entry.digest}`, { reference: title });
    const isLayout = await exists(join(directory, 'oci-layout'));
    // Another process may be making the layout: it writes index.json last.
    const isNamed = isLayout && (await exists(join(directory, 'index.json')));
    const index = isNamed ? await readNamed(files) : EMPTY_INDEX;
    if (!isLayout) await writeBytes(join(directory, 'oci-layout'), JSON.stringify(LAYOUT_MARKER));
    const bytes = JSON.stringify(withEntry(index, entry));
    await writeBytes(join(directory, 'index.json'), bytes);
  };

  return {
    title,
    hasBlob: (digest, size) => keepBlob(blobFile(digest), size),
    putBlob: (descriptor, openBlob, { replaces = false } = {}) =>
      writing(title, async () =>
        storeBlob(directory, descriptor, openBlob, title, await journal(), replaces),
      ),
    putManifest: (bytes, mediaType, role, annotations) =>
      writing(title, async () => {
        const digest = getDigest(bytes);
        const descriptor: Descriptor = { mediaType, digest, size: bytes.length };
        makeDirectories(dirname(blobFile(digest)));
        const kept = await journal();
        if (!(await exists(blobFile(digest)))) kept?.note(digest);
        await writeBytes(blobFile(digest), bytes);
        if (role === 'root') {
          const readBlob = (blob: Digest) => readFile(blobFile(blob));
          const platform = await getPlatform(bytes, mediaType, readBlob, title);
          await addRoot(rootEntry({ ...descriptor, ...platform }, tag, annotations));
          kept?.finish();
          kept?.close();
          // Whatever else is written belongs to another image.
          begun = undefined;
        }
        return descriptor;
      }),
    close: async () => {
      // That there is no journal was told to who wanted to write.
      (await begun?.catch(() => undefined))?.close();
    },
  };
}
