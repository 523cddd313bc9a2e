/** Random access to the files of a tar archive, without unpacking it. */
import { constants, createReadStream } from 'node:fs';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, posix, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract, type Header } from 'tar-stream';
import { getMessage, ImageError } from './image-error.js';

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

function cleanPath(path: string): string {
  return posix.normalize(`/${path}`).replace(/\/$/, '').slice(1);
}

/** tar-stream tells where a member's content starts; its type declarations do not know that. */
function contentOffset(header: Header): number {
  const { byteOffset } = header as Header & { byteOffset?: unknown };
  if (typeof byteOffset !== 'number') throw new Error('tar-stream gave no byteOffset');
  return byteOffset;
}

function getMember(header: Header): readonly [path: string, member: Member] | undefined {
  const path = cleanPath(header.name);
  const target = header.linkname ?? '';
  switch (header.type) {
    case 'file':
    case 'contiguous-file':
      return [path, { kind: 'file', offset: contentOffset(header), size: header.size ?? 0 }];
    case 'link':
      return [path, { kind: 'link', target: cleanPath(target) }];
    case 'symlink':
      return [path, { kind: 'link', target: cleanPath(join(posix.dirname(path), target)) }];
    default:
      return undefined;
  }
}

async function readMembers(file: string): Promise<Map<string, Member>> {
  const members = new Map<string, Member>();
  const parser = extract();
  parser.on('entry', (header, stream, next) => {
    const found = getMember(header);
    if (found !== undefined) members.set(...found);
    stream.on('end', next);
    // Of an archive that is cut off the member's stream fails as well as the parser, which says it.
    stream.on('error', () => {});
    stream.resume();
  });
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), parser);
  return members;
}

async function getStart(handle: FileHandle, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, 0);
  return buffer.subarray(0, bytesRead);
}

/** Whether the bytes start as gzip data does (RFC 1952). */
export function isGzip(start: Uint8Array): boolean {
  return start[0] === 0x1f && start[1] === 0x8b;
}

/** `docker load` reads compressed archives too; they have to be unpacked to be read at random. */
async function plainArchive(file: string): Promise<{ path: string; temporary?: string }> {
  // A Dockerfile can name it: a pipe would be waited for, and a device may have no end.
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!(await handle.stat()).isFile()) throw new Error('it is no file');
    if (!isGzip(await getStart(handle, 2))) return { path: file };
  } finally {
    await handle.close();
  }
  const temporary = await mkdtemp(join(tmpdir(), 'wiac-archive-'));
  const path = join(temporary, 'archive.tar');
  const output = await open(path, 'wx', 0o600);
  try {
    await pipeline(createReadStream(file), createGunzip(), output.createWriteStream());
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
  return { path, temporary };
}

/**
 * Reads the headers of an archive, plain or gzip.
 * @throws ImageError when the file cannot be read or is no tar archive
 */
export async function openTar(file: string): Promise<TarIndex> {
  let temporary: string | undefined;
  try {
    // The current directory is another one for moments (src/fs/scan/listing.ts).
    const plain = await plainArchive(resolve(file));
    temporary = plain.temporary;
    const members = await readMembers(plain.path);
    return indexOf(plain.path, members, temporary);
  } catch (cause) {
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
    throw new ImageError(`cannot read the archive ${file}: ${getMessage(cause)}`, {
      reference: file,
      hint: 'give a tar archive that is there, plain or gzip',
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
