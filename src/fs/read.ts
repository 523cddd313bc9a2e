/** Reads single files below a directory that is held open; symbolic links are never followed. */
import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
} from 'node:fs';
import { basename } from 'node:path';
import type { FileDigest } from '../keys/digest.js';
import { fromBytes, fsText, mayBeInexact } from '../util/byte-string.js';
import { WiacError } from '../util/errors.js';
import type { Directory } from './directory.js';
import { lstatEntry, textEntry } from './directory.js';
import { parentPath } from './tree-path.js';
import { withWalkers } from './walker.js';

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

/** Content is read in pieces of this size, so that memory stays bounded. */
const PIECE = 1 << 20;

/** open(2) of something that is not, or no longer, a regular file. */
const NO_FILE = new Set(['ENOENT', 'ELOOP', 'ENXIO', 'ENODEV', 'ENOTDIR']);

/** A regular file, open for reading. */
export interface OpenFile {
  readonly fd: number;
  readonly stats: Stats;
}

/**
 * Opens an entry of a directory if it is a regular file. A fifo or device in its place is not
 * waited for.
 * @returns undefined when nothing is there, or something else
 * @throws EACCES, EMFILE and other errors of the file system
 */
export function openFile(directory: Directory, name: string): OpenFile | undefined {
  let fd: number;
  try {
    fd = openSync(textEntry(directory, name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (NO_FILE.has((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
  const stats = fstatSync(fd);
  if (stats.isFile()) return { fd, stats };
  closeSync(fd);
  return undefined;
}

/**
 * A buffer for reading, to be used again for each file.
 * @param bytes size of the largest file, as far as it is known. A build has a buffer for each step, and V8 counts their
 *   bytes: with buffers as large as a piece it collects garbage all the time.
 */
export function readBuffer(bytes = PIECE): Buffer {
  // With one byte more than the file has, its end need not be asked for.
  return Buffer.allocUnsafe(Math.min(PIECE, bytes + 1));
}

/**
 * Reads an open file to its end.
 * @param onPiece gets each piece and where it begins; the piece is only valid during the call
 * @returns bytes that were read, which may be more or fewer than lstat said
 */
export function readPieces(
  { fd, stats: { size } }: OpenFile,
  buffer: Buffer,
  onPiece: (piece: Buffer, position: number) => void,
): number {
  let position = 0;
  for (;;) {
    const bytes = readSync(fd, buffer, 0, buffer.length, position);
    if (bytes === 0) return position;
    onPiece(buffer.subarray(0, bytes), position);
    position += bytes;
    // The end of a small file need not be asked for.
    if (bytes < buffer.length && position >= size) return position;
  }
}

/** What a file holds. */
export interface Content {
  readonly digest: FileDigest;
  /** Bytes that were read. */
  readonly size: number;
}

/** SHA-256 of an open file's content. */
export function digestOpen(file: OpenFile, buffer: Buffer): Content {
  const hash = createHash('sha256');
  const size = readPieces(file, buffer, (piece) => hash.update(piece));
  return { digest: hash.digest('hex') as FileDigest, size };
}

/** SHA-256 of a file. @returns undefined when there is no regular file */
export function digestEntry(
  directory: Directory,
  name: string,
  buffer: Buffer,
): Content | undefined {
  const file = openFile(directory, name);
  if (!file) return undefined;
  try {
    return digestOpen(file, buffer);
  } finally {
    closeSync(file.fd);
  }
}

/** SHA-256 of one of the store's own files. @throws the file system's errors */
export function digestFile(path: string): FileDigest {
  const fd = openSync(path, O_RDONLY);
  try {
    const whole = { fd, stats: fstatSync(fd) };
    return digestOpen(whole, readBuffer(whole.stats.size)).digest;
  } finally {
    closeSync(fd);
  }
}

function linkTarget(path: string | Buffer): string {
  const target = readlinkSync(path);
  return mayBeInexact(target) ? fromBytes(readlinkSync(path, 'buffer')) : target;
}

/** Target of a symbolic link; undefined when nothing is there, or something else. */
export function readLink(directory: Directory, name: string): string | undefined {
  try {
    return linkTarget(textEntry(directory, name));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EINVAL') return undefined;
    throw error;
  }
}

/** Text files of an image are databases and lists; nothing that is larger is one. */
const MAX_TEXT_BYTES = 64 << 20;

class OversizedFileError extends WiacError {
  readonly code = 'IMAGE';
  readonly exitCode = 11;
}

/**
 * Gives an action a regular file below a root, open for reading for as long as it takes.
 * @param root trusted path
 * @param path relative to it; no component is followed if it is a symbolic link
 * @returns undefined when there is no such regular file
 */
export function withFileBelow<T>(
  root: string,
  path: string,
  action: (file: OpenFile) => T,
): T | undefined {
  return withWalkers((walkers) => {
    let file: OpenFile | undefined;
    try {
      file = openFile(walkers.at(root, parentPath(path)), basename(path));
    } catch (error) {
      if (NO_FILE.has((error as NodeJS.ErrnoException).code ?? '')) return undefined;
      throw error;
    }
    if (!file) return undefined;
    try {
      return action(file);
    } finally {
      closeSync(file.fd);
    }
  });
}

/**
 * Reads a small file below a root, as withFileBelow.
 * @throws OversizedFileError when it is larger than any list of users, packages or libraries
 */
export function readBytesBelow(root: string, path: string): Buffer | undefined {
  return withFileBelow(root, path, (file) => {
    const pieces: Buffer[] = [];
    if (file.stats.size > MAX_TEXT_BYTES)
      throw new OversizedFileError(`/${path} of the image has ${file.stats.size} bytes`);
    readPieces(file, readBuffer(file.stats.size), (piece) => pieces.push(Buffer.from(piece)));
    return Buffer.concat(pieces);
  });
}

/** Reads a text file below a root, as readBytesBelow. */
export function readTextBelow(root: string, path: string): string | undefined {
  return readBytesBelow(root, path)?.toString('utf8');
}

/** Longest path that is handed to the kernel at once; PATH_MAX is 4096 with its NUL. */
const SHORT_PATH = 4000;

function useBelow<T>(
  root: string,
  path: string,
  useShort: (path: string) => T | undefined,
  useEntry: (directory: Directory, name: string) => T | undefined,
): T | undefined {
  try {
    // A string has at most three bytes for each of its units.
    if ((root.length + path.length) * 3 < SHORT_PATH) return useShort(`${root}/${path}`);
    return withWalkers((walkers) => {
      return useEntry(walkers.at(root, parentPath(path)), basename(path));
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EINVAL') return undefined;
    throw error;
  }
}

/**
 * lstat below a layer. Its files never change, and the caller knows each directory on the way to be
 * one: that saves to open them one by one, for each of many layers.
 * @returns undefined when nothing is there
 */
export function lstatBelow(root: string, path: string): Stats | undefined {
  const lstat = (short: string) => lstatSync(fsText(short), { throwIfNoEntry: false });
  return useBelow(root, path, lstat, lstatEntry);
}

/** readlink below a layer, as lstatBelow. @returns undefined when there is no link */
export function readLinkBelow(root: string, path: string): string | undefined {
  return useBelow(root, path, (short) => linkTarget(fsText(short)), readLink);
}
