/** Random access to the files of a tar archive, without unpacking it. */
import { constants } from 'node:fs';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, posix, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { writeAll } from '../util/write-all.js';
import { decompressed, detectCompression, MAGIC_BYTES } from './compress/decompress.js';
import { getMessage, ImageError } from './image-error.js';
import type { ByteString, TarEntry } from './tar/entry.js';
import { DEFAULT_LIMITS, type ExpansionLimits } from './tar/expansion-limit.js';
import { createTarParser } from './tar/parser.js';

/** A regular file within the archive. */
export interface TarFile {
  /** Bytes. */
  readonly size: number;
  /** @param range first byte, and the byte after the last */
  read(range?: { start: number; end: number }): Readable;
}

/** The files of an archive by their path. */
export interface TarIndex {
  /** Symlinks and hard links between the archive's files are followed. */
  find(path: string): TarFile | undefined;
  /** What is read after that fails. */
  close(): Promise<void>;
}

type Member =
  | { readonly kind: 'file'; readonly offset: number; readonly size: number }
  | { readonly kind: 'link'; readonly target: string };

/** `docker save` of old versions links equal layers; more than this is a loop. */
const MAX_LINKS = 8;

const text = (bytes: ByteString) => Buffer.from(bytes, 'latin1').toString();

function cleanPath(path: string): string {
  return posix.normalize(`/${path}`).replace(/\/$/, '').slice(1);
}

/** @param offset of the entry's data, in bytes */
function getMember(
  entry: TarEntry,
  offset: number,
): readonly [path: string, member: Member] | undefined {
  const path = cleanPath(text(entry.name));
  const target = text(entry.linkName);
  switch (entry.type) {
    case 'file':
      return [path, { kind: 'file', offset, size: entry.size }];
    case 'link':
      return [path, { kind: 'link', target: cleanPath(target) }];
    case 'symlink':
      return [path, { kind: 'link', target: cleanPath(join(posix.dirname(path), target)) }];
    default:
      return undefined;
  }
}

/** Enough for the headers of an entry, and little beside blobs of megabytes. */
const PIECE = 16 << 10;

/** Reads the headers and leaves out what lies between them: a cached build reads no blob. */
async function readMembers(handle: FileHandle): Promise<Map<string, Member>> {
  const members = new Map<string, Member>();
  const parser = createTarParser((entry) => {
    const found = getMember(entry, parser.position);
    if (found !== undefined) members.set(...found);
    return undefined;
  });
  const piece = Buffer.alloc(PIECE);
  let at: number;
  do {
    at = parser.position;
    const { bytesRead } = await handle.read(piece, 0, PIECE, at);
    parser.write(piece.subarray(0, bytesRead));
    parser.skip();
  } while (parser.position > at);
  const { size } = await handle.stat();
  if (parser.position > size) throw new Error('it ends in the middle of an entry');
  parser.end();
  return members;
}

async function getStart(handle: FileHandle, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, 0);
  return buffer.subarray(0, bytesRead);
}

/** Bytes of one read of a member. */
const READ_BYTES = 256 << 10;

/** @param end the byte after the last. Who reads a file that was cut since then finds less, and its digest wrong. */
async function* readRange(handle: FileHandle, start: number, end: number): AsyncGenerator<Buffer> {
  for (let at = start; at < end; ) {
    const piece = Buffer.allocUnsafe(Math.min(READ_BYTES, end - at));
    const { bytesRead } = await handle.read(piece, 0, piece.length, at);
    if (bytesRead === 0) return;
    yield piece.subarray(0, bytesRead);
    at += bytesRead;
  }
}

const streamOf = (handle: FileHandle, start: number, end: number): Readable =>
  Readable.from(readRange(handle, start, end), { objectMode: false });

/** A file that has no name any more: it goes with its handle, however this process ends. */
async function namelessFile(): Promise<FileHandle> {
  const directory = await mkdtemp(join(tmpdir(), 'wiac-archive-'));
  try {
    return await open(join(directory, 'archive.tar'), 'wx+', 0o600);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** `docker load` reads compressed archives too; they have to be unpacked to be read at random. */
async function unpack(handle: FileHandle, limits: ExpansionLimits): Promise<FileHandle> {
  const { size } = await handle.stat();
  const plain = await namelessFile();
  try {
    for await (const chunk of decompressed(streamOf(handle, 0, size), limits))
      writeAll(plain.fd, chunk);
    return plain;
  } catch (error) {
    await plain.close();
    throw error;
  }
}

/** A Dockerfile can name the file: a pipe would be waited for, and a device may have no end. */
async function openPlain(file: string, limits: ExpansionLimits): Promise<FileHandle> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  let isPlain = false;
  try {
    if (!(await handle.stat()).isFile()) throw new Error('it is no file');
    isPlain = detectCompression(await getStart(handle, MAGIC_BYTES)) === 'none';
    return isPlain ? handle : await unpack(handle, limits);
  } finally {
    if (!isPlain) await handle.close();
  }
}

/**
 * Reads the headers of an archive, plain or compressed. The file is opened once: who puts another one in its place
 * meanwhile changes nothing.
 * @param limits of one that is compressed, which is unpacked; whoever wants to read a larger one can unpack it
 * @throws ImageError when the file cannot be read, is no tar archive or is over the limits
 */
export async function openTar(
  file: string,
  limits: ExpansionLimits = DEFAULT_LIMITS,
): Promise<TarIndex> {
  let plain: FileHandle | undefined;
  try {
    // The current directory is another one for moments (src/fs/scan/listing.ts).
    plain = await openPlain(resolve(file), limits);
    return indexOf(plain, await readMembers(plain));
  } catch (cause) {
    await plain?.close();
    throw new ImageError(`cannot read the archive ${file}: ${getMessage(cause)}`, {
      reference: file,
      hint: 'give a tar archive that is there, plain or compressed with gzip, zstd, bzip2 or xz',
      cause,
    });
  }
}

function indexOf(handle: FileHandle, members: ReadonlyMap<string, Member>): TarIndex {
  return {
    find(name) {
      let member = members.get(cleanPath(name));
      for (let links = 0; member?.kind === 'link' && links < MAX_LINKS; links++)
        member = members.get(member.target);
      if (member?.kind !== 'file') return undefined;
      const { offset, size } = member;
      return {
        size,
        read: (range = { start: 0, end: size }) =>
          streamOf(handle, offset + range.start, offset + Math.min(range.end, size)),
      };
    },
    close: () => handle.close(),
  };
}
