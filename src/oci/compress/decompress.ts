/**
 * Layers and archives as they come, told apart by their first bytes, not by media type. Layers are
 * gzip, zstd or plain (image-spec layer.md); ADD also takes bzip2 and xz.
 */
import type { Duplex, Transform } from 'node:stream';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { ImageError } from '../image-error.js';
import type { ExpansionLimits } from '../tar/expansion-limit.js';
import { expansionGuard } from '../tar/expansion-limit.js';
import { programStream } from './program-stream.js';
import { zstdStream } from './zstd.js';

export type Compression = 'gzip' | 'zstd' | 'bzip2' | 'xz' | 'none';

/** Bytes that `detectCompression` looks at. */
export const MAGIC_BYTES = 4;

/** bzip2: "BZh"; xz (The .xz File Format, 2.1.1.1): FD "7zX", of which four bytes are looked at. */
const BZIP2 = Buffer.from('BZh');
const XZ = Buffer.from([0xfd, 0x37, 0x7a, 0x58]);

/** RFC 1952 (gzip), RFC 8878 (zstd, whose first frame may be a skippable one). */
export function detectCompression(head: Buffer): Compression {
  if (head.length >= 2 && head.readUInt16BE(0) === 0x1f8b) return 'gzip';
  if (head.length < MAGIC_BYTES) return 'none';
  if (head.subarray(0, 3).equals(BZIP2)) return 'bzip2';
  if (head.subarray(0, 4).equals(XZ)) return 'xz';
  const magic = head.readUInt32LE(0);
  return magic === 0xfd2fb528 || (magic & 0xfffffff0) >>> 0 === 0x184d2a50 ? 'zstd' : 'none';
}

/** The chunks of a source, its first bytes again included. */
interface Chunks {
  readonly next: () => Promise<Buffer | undefined>;
  /** Set once it has failed. */
  readonly failure: () => { readonly error: unknown } | undefined;
}

/** @param count gets the number of bytes of each chunk before the chunk is passed on */
function countedChunks(
  head: Buffer,
  rest: AsyncIterator<Buffer>,
  count: (bytes: number) => void,
): Chunks {
  let first: Buffer | undefined = head;
  let failure: { readonly error: unknown } | undefined;
  return {
    async next() {
      const begun = first;
      first = undefined;
      try {
        const chunk = begun ?? (await rest.next()).value;
        if (chunk) count(chunk.length);
        return chunk;
      } catch (error) {
        failure ??= { error };
        throw error;
      }
    },
    failure: () => failure,
  };
}

async function* allOf(chunks: Chunks): AsyncGenerator<Buffer> {
  for (let chunk = await chunks.next(); chunk; chunk = await chunks.next()) yield chunk;
}

/**
 * Reads a source to its end, where its digest is looked at: decompressors stop at the end of their
 * data, and leave what follows it, such as zeros behind gzip's.
 */
async function readRest(chunks: Chunks): Promise<void> {
  for (let chunk = await chunks.next(); chunk; chunk = await chunks.next());
  const failed = chunks.failure();
  if (failed) throw failed.error;
}

/** What Node has no decompressor for is a program's work. */
function decompressor(compression: Exclude<Compression, 'gzip' | 'none'>): Promise<Duplex> {
  if (compression === 'zstd') return zstdStream(['-d']);
  const packages = { bzip2: 'bzip2', xz: 'xz-utils' };
  return programStream(compression, ['-d', '-c'], packages[compression]);
}

/** Big pieces and room for several, so that inflating goes on while files are being written. */
const INFLATE = { chunkSize: 256 << 10, readableHighWaterMark: 1 << 20 };

/** A block at a time, and no further than it was read: a small file that is damaged at its end has a first block too. */
const INFLATE_HEAD = { chunkSize: 512, readableHighWaterMark: 1 };

/**
 * The bytes behind the compression.
 * @param limits undefined only for what wiac has packed or unpacked itself, and for readers that know
 *   how many bytes there are, and stop there
 * @param headOnly its first block is all that the caller wants, whatever is behind it
 * @throws (while reading) the source's own errors as they are; ImageError when they can't be
 *   decompressed or are over the limits; IsolationError when zstd is not installed
 */
export async function* decompressed(
  source: Readable,
  limits: ExpansionLimits | undefined,
  headOnly = false,
): AsyncGenerator<Buffer> {
  try {
    yield* expanded(source[Symbol.asyncIterator]() as AsyncIterator<Buffer>, limits, headOnly);
  } finally {
    // To end its iterator would wait for the next chunk, which may be long in coming.
    source.destroy();
  }
}

async function* expanded(
  read: AsyncIterator<Buffer>,
  limits: ExpansionLimits | undefined,
  headOnly: boolean,
): AsyncGenerator<Buffer> {
  let head: Buffer = Buffer.alloc(0);
  while (head.length < MAGIC_BYTES) {
    const next = await read.next();
    if (next.done) break;
    head = Buffer.concat([head, next.value]);
  }
  const compression = detectCompression(head);
  let compressedBytes = 0;
  let bytes = 0;
  const guard = limits && expansionGuard(limits);
  const passOn = (chunk: Buffer): Buffer => {
    bytes += chunk.length;
    guard?.(compressedBytes, bytes);
    return chunk;
  };
  const chunks = countedChunks(head, read, (length) => {
    compressedBytes += length;
  });
  if (compression === 'none') {
    for await (const chunk of allOf(chunks)) yield passOn(chunk);
    return;
  }
  const input = Readable.from(allOf(chunks), { objectMode: false });
  const gunzip = () => createGunzip(headOnly ? INFLATE_HEAD : INFLATE);
  const inflate = compression === 'gzip' ? gunzip() : await decompressor(compression);
  try {
    // Errors come out of the last stream, which is read below.
    pipeline(input, inflate as Transform, () => {});
    for await (const chunk of inflate) yield passOn(chunk as Buffer);
  } catch (error) {
    const failed = chunks.failure();
    if (failed) throw failed.error;
    if (error instanceof ImageError) throw error;
    const reason = `${compression}): ${(error as Error).message.split('\n')[0]}`;
    throw new ImageError(`the archive can't be decompressed (${reason}`, { cause: error });
  }
  await readRest(chunks);
}
