/** Archives that ADD unpacks: tar, plain or compressed with gzip, bzip2, xz or zstd. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename, posix } from 'node:path';
import { Transform } from 'node:stream';
import type { FileDigest } from '../../keys/digest.js';
import { ImageError } from '../../oci/image-error.js';
import type { ExpansionLimits } from '../../oci/tar/expansion-limit.js';
import type { ByteString } from '../../util/byte-string.js';
import { fromByteString, toByteString } from '../../util/byte-string.js';
import type { SourceLocation, WiacError } from '../../util/errors.js';
import { ContextError } from '../../util/errors.js';
import { strangersHint } from '../../util/free-range.js';
import { asNoSpaceError } from '../../util/no-space.js';
import { inUserNamespace } from '../../util/user-namespace.js';
import type { BaseEntry, BaseLayers } from '../archive/directories.js';
import { isArchive, unpackArchive } from '../archive/unpack-archive.js';
import type { OpenFile } from '../read.js';
import { openFile, readLinkBelow } from '../read.js';
import type { Place } from '../scan/file-source.js';
import type { FileEntry, TreeEntry } from '../scan/tree.js';
import { xattrBytes } from '../scan/xattrs.js';
import type { Selection } from '../select/select.js';
import { parentPath } from '../tree-path.js';
import { withWalkers } from '../walker.js';
import { readDirectoryXattrs } from './destination.js';
import type { Stack } from './stack.js';
import { locate } from './stack.js';
import type { Owner } from './users.js';

function openPlace({ root, path }: Place): OpenFile | undefined {
  return withWalkers((walkers) => openFile(walkers.at(root, parentPath(path)), basename(path)));
}

/** The file behind a selection of a single file. */
function getFile({ kind, files }: Selection): Place | undefined {
  const [file] = files.getChildren();
  return kind === 'file' && file?.stats.kind === 'file' ? file.place : undefined;
}

/** The selections that are archives, told by their content. */
export async function findArchives(selections: readonly Selection[]): Promise<Selection[]> {
  const archives: Selection[] = [];
  for (const selection of selections) {
    const place = getFile(selection);
    const file = place && openPlace(place);
    if (file && (await isArchive(createReadStream('', { fd: file.fd })))) archives.push(selection);
  }
  return archives;
}

/** What the layers below have in a directory, for the names of an archive. */
function layersBelow(stack: Stack, directory: string): BaseLayers {
  const placeOf = (bytes: ByteString) => posix.join(directory, fromByteString(bytes));
  return {
    find(bytes): BaseEntry | undefined {
      const found = locate(stack, placeOf(bytes));
      if (!found) return undefined;
      const { stats, root, path } = found;
      if (stats.isSymbolicLink())
        return { kind: 'symlink', target: toByteString(readLinkBelow(root, path) ?? '') };
      if (!stats.isDirectory()) return { kind: 'other' };
      const { mode, uid, gid, mtimeMs } = stats;
      const mtime = { seconds: Math.floor(mtimeMs / 1000), nanoseconds: 0 };
      const attributes = { mode: mode & 0o7777, uid, gid, mtime, xattrs: [] };
      return { kind: 'directory', attributes };
    },
    async readXattrs(paths) {
      const places = new Map(paths.map((bytes) => [bytes, placeOf(bytes)]));
      const read = await readDirectoryXattrs(stack, [...places.values()]);
      return new Map(
        [...places].map(([bytes, place]) => [bytes, xattrBytes(read.get(place) ?? [])]),
      );
    },
  };
}

/** What an archive is unpacked into, and where it was asked for. */
export interface UnpackRequest {
  /** Trusted path of a directory. */
  readonly target: string;
  /** Where the directory is in the image. */
  readonly destination: string;
  /** The layers below. */
  readonly stack: Stack;
  readonly owner: Owner | undefined;
  readonly limits: ExpansionLimits;
  readonly location: SourceLocation;
}

function asContextError(error: unknown, name: string, location: SourceLocation): unknown {
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  const full = asNoSpaceError(error, `no space left while ${name} was unpacked`);
  if (full) return full;
  if (!(error instanceof ImageError) && syscall === undefined) return error;
  const owner = code === 'EINVAL' && syscall?.includes('chown');
  return new ContextError(`${name} can't be unpacked: ${message}`, location, {
    hint: owner
      ? strangersHint()
      : ((error as WiacError).hint ??
        'is the archive damaged? ADD --unpack=false copies it as it is'),
    cause: error,
  });
}

/**
 * Unpacks an archive. It is digested while it is read, so that the layer has the content that the key names.
 * @param entry what was digested before
 * @returns what was unpacked: the same entry, or another one if the file has changed
 * @throws ContextError when it is damaged or gone, NoSpaceError, IsolationError
 */
export async function unpackSelection(
  selection: Selection,
  entry: FileEntry,
  { target, destination, stack, owner, limits, location }: UnpackRequest,
): Promise<TreeEntry> {
  const place = getFile(selection);
  const file = place && openPlace(place);
  if (!file) {
    throw new ContextError(`${selection.path} was removed while it was copied`, location, {
      hint: 'build again when it is there',
    });
  }
  const hash = createHash('sha256');
  let size = 0;
  const digesting = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      size += chunk.length;
      done(null, chunk);
    },
  });
  const raw = createReadStream('', { fd: file.fd });
  raw.on('error', (error) => digesting.destroy(error));
  try {
    await unpackArchive(raw.pipe(digesting), target, {
      rootless: inUserNamespace(),
      owner,
      limits,
      base: layersBelow(stack, destination),
    });
    // What follows the archive's end mark was not read by the unpacker.
    for await (const _rest of digesting);
  } catch (error) {
    throw asContextError(error, selection.path, location);
  } finally {
    raw.destroy();
  }
  const digest = hash.digest('hex') as FileDigest;
  return digest === entry.digest && size === entry.size ? entry : { ...entry, digest, size };
}
