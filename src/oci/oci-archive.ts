/** oci-archive: an OCI image layout in one tar file, as source and sink. */
import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { lstat, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, resolve } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import { atExit } from '../util/at-exit.js';
import type { ArtifactSource } from './artifact.js';
import { getDigest, verified } from './blob-digest.js';
import { cannotWrite, ImageError } from './image-error.js';
import { blobPath, type LayoutFiles, layoutFilesSource } from './layout-files.js';
import { EMPTY_INDEX, getPlatform, LAYOUT_MARKER, rootEntry } from './layout-index.js';
import { MAX_JSON_BYTES } from './parse-manifest.js';
import { formatReference, type OciArchiveReference } from './reference.js';
import { collect, type ManifestSource } from './resolve.js';
import type { Descriptor, Digest, ImageSink, ImageSource, OpenBlob } from './resolved-image.js';
import { openTar, type TarIndex } from './tar-index.js';
import { writeWhole } from './write-file.js';
import { writeStream } from './write-stream.js';

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

/** An image or an artifact in an archive of a layout; plain or compressed. */
export function ociArchiveSource(
  reference: OciArchiveReference,
): ImageSource & ArtifactSource & ManifestSource {
  const title = formatReference({ kind: 'oci-archive', file: reference.file });
  return layoutFilesSource(archiveFiles(reference.file, title), { tag: reference.tag });
}

/** What a member of an archive holds; its size has to be known before its data is read. */
export type MemberContent =
  | { readonly file: string }
  | { readonly bytes: Uint8Array }
  | { readonly size: number; readonly open: OpenBlob };

/** A file to go into an archive. */
export interface ArchiveMember {
  readonly path: string;
  readonly content: MemberContent;
}

/** Where an archive goes: a file, or a stream that is left open; the signal ends the writing. */
export type ArchiveOutput =
  | string
  | { readonly stream: Writable; readonly signal?: AbortSignal | undefined };

async function getSize(content: MemberContent): Promise<number> {
  if ('bytes' in content) return content.bytes.length;
  return 'file' in content ? (await lstat(content.file)).size : content.size;
}

async function openContent(content: MemberContent): Promise<Readable | Iterable<Uint8Array>> {
  if ('bytes' in content) return [content.bytes];
  return 'file' in content ? createReadStream(content.file) : content.open();
}

/** What is small enough to be read at once. */
export async function readMemberContent(
  content: MemberContent,
  title: string,
): Promise<Uint8Array> {
  if ('bytes' in content) return content.bytes;
  const input = 'file' in content ? createReadStream(content.file) : await content.open();
  return collect(input, MAX_JSON_BYTES, `config of ${title}`);
}

async function fillArchive(
  members: readonly ArchiveMember[],
  write: (archive: Pack) => Promise<void>,
): Promise<void> {
  const archive = pack();
  const fill = async (): Promise<void> => {
    for (const { path, content } of members) {
      const size = await getSize(content);
      const header = { name: path, size, mode: 0o644, mtime: new Date(0), uid: 0, gid: 0 };
      await pipeline(await openContent(content), archive.entry(header));
    }
    archive.finalize();
  };
  // Neither goes on without the other.
  const orEnd = (error: unknown): never => {
    archive.destroy();
    throw error;
  };
  await Promise.all([write(archive).catch(orEnd), fill().catch(orEnd)]);
}

/**
 * Writes a tar archive that depends on its members only: the order given, no times, no owners.
 * A file is there as a whole or not at all.
 * @throws ImageError when it cannot be written
 */
export async function writeArchive(
  output: ArchiveOutput,
  members: readonly ArchiveMember[],
  title: string,
): Promise<void> {
  try {
    if (typeof output !== 'string') {
      await fillArchive(members, (archive) =>
        writeStream(archive as AsyncIterable<Uint8Array>, output.stream, output.signal),
      );
      return;
    }
    await writeWhole(output, (file) => fillArchive(members, (archive) => pipeline(archive, file)));
  } catch (cause) {
    if (cause instanceof ImageError) throw cause;
    throw cannotWrite(title, cause, title);
  }
}

/** A directory for parts of an archive. */
export interface Staging {
  readonly path: string;
  readonly remove: () => Promise<void>;
}

/** One next to the file, on the same file system, for what goes into it. */
export async function stagingDirectory(output: ArchiveOutput, title: string): Promise<Staging> {
  const parent = typeof output === 'string' ? resolve(dirname(output)) : tmpdir();
  try {
    // Nothing comes between the two.
    const path = mkdtempSync(`${parent}/.wiac-archive-`);
    // A file may be made in there at this very moment.
    const options = { recursive: true, force: true, maxRetries: 3 };
    const done = atExit(() => rmSync(path, options));
    return { path, remove: () => rm(path, options).finally(done) };
  } catch (cause) {
    throw cannotWrite(title, cause, title);
  }
}

/**
 * An archive to write an image to; an existing one is replaced. Blobs are opened when the root
 * manifest is put, and not before: their files have to stay until then.
 * @param output instead of the reference's file
 */
export function ociArchiveSink(
  reference: OciArchiveReference,
  output: ArchiveOutput = reference.file,
): ImageSink {
  const { tag } = reference;
  const title = formatReference(reference);
  const blobs = new Map<Digest, MemberContent>();
  const readBlob = async (digest: Digest): Promise<Uint8Array> => {
    const content = blobs.get(digest);
    if (content !== undefined) return readMemberContent(content, title);
    throw new ImageError(`${title}: the blob ${digest} was not put`);
  };
  const members = (entry: Descriptor): ArchiveMember[] => {
    const files = [...blobs].map(([digest, content]) => ({ path: blobPath(digest), content }));
    const index = { ...EMPTY_INDEX, manifests: [entry] };
    const json = (path: string, value: unknown): ArchiveMember => ({
      path,
      content: { bytes: Buffer.from(JSON.stringify(value)) },
    });
    return [...files, json('index.json', index), json('oci-layout', LAYOUT_MARKER)].sort((a, b) =>
      a.path < b.path ? -1 : 1,
    );
  };
  return {
    title,
    hasBlob: async (digest) => blobs.has(digest),
    async putBlob(descriptor, openBlob) {
      const open = async () => verified(await openBlob(), descriptor, title, { reference: title });
      blobs.set(descriptor.digest, { size: descriptor.size, open });
    },
    async putManifest(bytes, mediaType, role, annotations) {
      const digest = getDigest(bytes);
      const descriptor: Descriptor = { mediaType, digest, size: bytes.length };
      blobs.set(digest, { bytes });
      if (role === 'root') {
        const platform = await getPlatform(bytes, mediaType, readBlob, title);
        const entry = rootEntry({ ...descriptor, ...platform }, tag, annotations);
        await writeArchive(output, members(entry), title);
      }
      return descriptor;
    },
    close: async () => undefined,
  };
}
