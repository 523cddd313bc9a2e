/** Random access to the files of a tar archive, without unpacking it. */
import { constants, createReadStream } from 'node:fs';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, posix, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
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
  /** Removes what was unpacked of a compressed archive. */
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

/** A Dockerfile can name the file: a pipe would be waited for, and a device may have no end. */
async function withHandle<T>(file: string, use: (handle: FileHandle) => Promise<T>): Promise<T> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    return await use(handle);
  } finally {
    await handle.close();
  }
}

/** `docker load` reads compressed archives too; they have to be unpacked to be read at random. */
async function plainArchive(
  file: string,
  limits: ExpansionLimits,
): Promise<{ path: string; temporary?: string }> {
  const isPlain = await withHandle(file, async (handle) => {
    if (!(await handle.stat()).isFile()) throw new Error('it is no file');
    return detectCompression(await getStart(handle, MAGIC_BYTES)) === 'none';
  });
  if (isPlain) return { path: file };
  const temporary = await mkdtemp(join(tmpdir(), 'wiac-archive-'));
  const path = join(temporary, 'archive.tar');
  const output = await open(path, 'wx', 0o600);
  try {
    const plain = decompressed(createReadStream(file), limits);
    await pipeline(plain, output.createWriteStream());
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
  return { path, temporary };
}

/**
 * Reads the headers of an archive, plain or compressed.
 * @param limits of one that is compressed, which is unpacked; whoever wants to read a larger one can unpack it
 * @throws ImageError when the file cannot be read, is no tar archive or is over the limits
 */
export async function openTar(
  file: string,
  limits: ExpansionLimits = DEFAULT_LIMITS,
): Promise<TarIndex> {
  let temporary: string | undefined;
  try {
    // The current directory is another one for moments (src/fs/scan/listing.ts).
    const plain = await plainArchive(resolve(file), limits);
    temporary = plain.temporary;
    const members = await withHandle(plain.path, readMembers);
    return indexOf(plain.path, members, temporary);
  } catch (cause) {
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
    throw new ImageError(`cannot read the archive ${file}: ${getMessage(cause)}`, {
      reference: file,
      hint: 'give a tar archive that is there, plain or compressed with gzip, zstd, bzip2 or xz',
      cause,
    });
  }
}

function indexOf(
  path: string,
  members: ReadonlyMap<string, Member>,
  temporary: string | undefined,
): TarIndex {
  return {
    find(name) {
      let member = members.get(cleanPath(name));
      for (let links = 0; member?.kind === 'link' && links < MAX_LINKS; links++)
        member = members.get(member.target);
      if (member?.kind !== 'file') return undefined;
      const { offset, size } = member;
      return {
        size,
        read(range = { start: 0, end: size }) {
          const end = Math.min(range.end, size);
          // createReadStream cannot read nothing: its `end` is the last byte.
          if (end <= range.start) return Readable.from([]);
          return createReadStream(path, { start: offset + range.start, end: offset + end - 1 });
        },
      };
    },
    async close() {
      if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
    },
  };
}
