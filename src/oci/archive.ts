/** oci-archive: an OCI image layout in one tar file, as source and sink. */
import { createReadStream } from 'node:fs';
import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';
import type { ArtifactSource } from './artifact.js';
import { ImageError, messageOf } from './errors.js';
import type { ImageSink, ImageSource } from './image.js';
import { layoutSink } from './layout.js';
import { type LayoutFiles, layoutFilesSource } from './layout-files.js';
import { formatReference, type OciArchiveReference } from './reference.js';
import { openTar, type TarIndex } from './tar-index.js';
import { writeWhole } from './write-file.js';

/** The archive is opened with the first file that is read. */
function archiveFiles(file: string, title: string): LayoutFiles {
  let opened: Promise<TarIndex> | undefined;
  return {
    title,
    async open(path) {
      opened ??= openTar(file);
      const found = (await opened).find(path);
      return found === undefined ? undefined : { stream: found.read(), size: found.size };
    },
    async close() {
      // An archive that could not be opened has nothing to be closed.
      const index = await opened?.catch(() => undefined);
      await index?.close();
    },
  };
}

/** An image or an artifact in an archive of a layout; plain or gzip. */
export function ociArchiveSource(reference: OciArchiveReference): ImageSource & ArtifactSource {
  const title = formatReference({ kind: 'oci-archive', file: reference.file });
  return layoutFilesSource(archiveFiles(reference.file, title), { tag: reference.tag });
}

/** A file to go into an archive. */
export interface ArchiveMember {
  readonly path: string;
  readonly content: { readonly file: string } | { readonly bytes: Uint8Array };
}

/**
 * Writes a tar archive that depends on its members only: the order given, no times, no owners.
 * The file is there as a whole or not at all.
 * @throws ImageError when it cannot be written
 */
export async function writeArchive(
  file: string,
  members: readonly ArchiveMember[],
  title: string,
): Promise<void> {
  const archive = pack();
  const fill = async (): Promise<void> => {
    for (const { path, content } of members) {
      const size = 'bytes' in content ? content.bytes.length : (await lstat(content.file)).size;
      const header = { name: path, size, mode: 0o644, mtime: new Date(0), uid: 0, gid: 0 };
      const entry = archive.entry(header);
      if ('bytes' in content) await pipeline([content.bytes], entry);
      else await pipeline(createReadStream(content.file), entry);
    }
    archive.finalize();
  };
  try {
    await writeWhole(file, async (output) => {
      await Promise.all([
        pipeline(archive, output),
        fill().catch((error: unknown) => {
          archive.destroy();
          throw error;
        }),
      ]);
    });
  } catch (cause) {
    if (cause instanceof ImageError) throw cause;
    throw new ImageError(`cannot write ${title}: ${messageOf(cause)}`, { reference: title, cause });
  }
}

async function layoutMembers(directory: string): Promise<ArchiveMember[]> {
  const names = await readdir(directory, { recursive: true, withFileTypes: true });
  return names
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => ({ path: path.slice(directory.length + 1), content: { file: path } }));
}

/** A directory next to the file, on the same file system, for what goes into it. */
export async function stagingDirectory(file: string, title: string): Promise<string> {
  try {
    return await mkdtemp(`${resolve(dirname(file))}/.wiac-archive-`);
  } catch (cause) {
    throw new ImageError(`cannot write ${title}: ${messageOf(cause)}`, { reference: title, cause });
  }
}

/**
 * An archive to write an image to; an archive that is there is replaced. The image is collected
 * in a directory next to it, which `close` removes.
 */
export function ociArchiveSink(reference: OciArchiveReference): ImageSink {
  const { file, tag } = reference;
  const title = formatReference(reference);
  let staged: Promise<{ directory: string; sink: ImageSink }> | undefined;
  const stage = () => {
    staged ??= stagingDirectory(file, title).then((directory) => {
      const named = tag === undefined ? {} : { tag };
      return { directory, sink: layoutSink({ kind: 'oci-layout', directory, ...named }) };
    });
    return staged;
  };
  return {
    title,
    hasBlob: async (digest) => (await stage()).sink.hasBlob(digest),
    putBlob: async (descriptor, open) => (await stage()).sink.putBlob(descriptor, open),
    async putManifest(bytes, mediaType, role) {
      const { directory, sink } = await stage();
      const descriptor = await sink.putManifest(bytes, mediaType, role);
      if (role === 'root') await writeArchive(file, await layoutMembers(directory), title);
      return descriptor;
    },
    async close() {
      const area = await staged?.catch(() => undefined);
      if (area !== undefined) await rm(area.directory, { recursive: true, force: true });
    },
  };
}
