/** Reads a file of a cache mount while steps may be writing to it: whole, or not at all. */
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { ByteString } from '../../util/byte-string.js';
import { fsPath } from '../../util/byte-string.js';
import { entryPath } from '../directory.js';
import type { Walker } from '../walker.js';
import type { MountAttributes } from './scan-mount.js';
import { fileState, mountAttributes } from './scan-mount.js';

const { O_NOATIME = 0, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

/** So often a file is read that changes while it is read. */
const ATTEMPTS = 3;

const NO_FILE = new Set(['ENOENT', 'ELOOP', 'ENXIO', 'ENODEV', 'ENOTDIR']);

/** A file's content, and what the file was when it was read. */
export interface ReadFile {
  readonly attributes: MountAttributes;
  /** Bytes. */
  readonly size: number;
  readonly ctimeMs: number;
  /** As in FoundFile. */
  readonly ino: number;
  /** SHA-256 in hex. */
  readonly digest: string;
}

const getCode = (error: unknown) => (error as NodeJS.ErrnoException).code ?? '';

/** Reading for a snapshot is no use of the file, and must not look like one. */
function openQuietly(path: string | Buffer): number | undefined {
  const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
  try {
    return openSync(path, flags | O_NOATIME);
  } catch (error) {
    if (NO_FILE.has(getCode(error))) return undefined;
    // Of a file that belongs to an owner who is not in this user namespace.
    if (getCode(error) !== 'EPERM') throw error;
    return openSync(path, flags);
  }
}

/** Reads what is open once. @returns undefined when it changed meanwhile */
function readOnce(fd: number, onPiece: (piece: Buffer) => void): ReadFile | undefined {
  const before = fstatSync(fd, { bigint: true });
  if (!before.isFile()) return undefined;
  const { size, ctimeMs, ino } = fileState(before);
  const hash = createHash('sha256');
  const piece = Buffer.allocUnsafe(Math.min(1 << 20, Math.max(1, size)));
  let position = 0;
  while (position < size) {
    const bytes = readSync(fd, piece, 0, Math.min(piece.length, size - position), position);
    if (bytes === 0) return undefined;
    const part = piece.subarray(0, bytes);
    hash.update(part);
    onPiece(part);
    position += bytes;
  }
  const after = fstatSync(fd, { bigint: true });
  if (after.ctimeNs !== before.ctimeNs || after.size !== before.size) return undefined;
  const attributes = mountAttributes(after);
  return { attributes, size, ctimeMs, ino, digest: hash.digest('hex') };
}

/**
 * Reads a file. Its pieces count only when something is returned.
 * @param path relative to the walker's root
 * @param begin called before each attempt; what it returns gets the pieces, each valid during the call
 * @returns undefined when there is no such file any more, or it is written to all the time
 * @throws the file system's errors
 */
export function readMountFile(
  walker: Walker,
  path: ByteString,
  begin: () => (piece: Buffer) => void,
): ReadFile | undefined {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    let fd: number | undefined;
    try {
      const parent = dirname(path);
      const directory = walker.at(parent === '.' ? '' : parent);
      fd = openQuietly(fsPath(entryPath(directory, basename(path))));
    } catch (error) {
      if (NO_FILE.has(getCode(error))) return undefined;
      throw error;
    }
    if (fd === undefined) return undefined;
    try {
      const read = readOnce(fd, begin());
      if (read) return read;
    } finally {
      closeSync(fd);
    }
  }
  return undefined;
}
