/** Layers into blobs: compression, digests and sizes in one pass. */
import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { pipeline, Readable } from 'node:stream';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Compression } from './decompress.js';
import { isDense } from './dense.js';
import { zstdStream } from './zstd.js';

/** A layer before and after compression (image-spec, descriptor.md and config.md). */
export interface CompressedLayer {
  /** `sha256:` and the hex digest of the archive without compression. */
  readonly diffId: string;
  readonly uncompressedSize: number;
  /** `sha256:` and the hex digest of the blob. */
  readonly digest: string;
  /** Bytes of the blob. */
  readonly size: number;
}

/** A SHA-256 and a byte count of what went by. */
export interface Meter {
  update(chunk: Buffer): void;
  /** Once, at the end. */
  result(): { readonly digest: string; readonly size: number };
}

export function createMeter(): Meter {
  const hash = createHash('sha256');
  let size = 0;
  return {
    update(chunk) {
      hash.update(chunk);
      size += chunk.length;
    },
    result: () => ({ digest: `sha256:${hash.digest('hex')}`, size }),
  };
}

async function* metered(source: AsyncIterable<Buffer>, meter: Meter): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    meter.update(chunk);
    yield chunk;
  }
}

/**
 * Bytes of one gzip member at most. The sizes and the classes below decide what the blob's bytes
 * are: to change them is to change every digest.
 */
const MEMBER = 1 << 20;
/** Bytes of which one part is looked at to tell whether they can be compressed. */
const BLOCK = 64 << 10;

/** Bytes of one kind that become a member. */
interface Piece {
  readonly parts: Buffer[];
  bytes: number;
  /** Compressed data, keys, random numbers: deflate would spend most of its time on nothing. */
  readonly dense: boolean;
}

/** Cuts a stream into members: blocks of one kind that follow each other, up to a member's size. */
async function* pieces(source: AsyncIterable<Buffer>): AsyncGenerator<Piece> {
  let piece: Piece | undefined;
  for await (const block of blocks(source)) {
    const dense = isDense(block);
    if (piece && (piece.dense !== dense || piece.bytes >= MEMBER)) {
      yield piece;
      piece = undefined;
    }
    piece ??= { parts: [], bytes: 0, dense };
    piece.parts.push(block);
    piece.bytes += block.length;
  }
  // An empty archive is one empty member.
  yield piece ?? { parts: [], bytes: 0, dense: false };
}

/** Cuts a stream into blocks of exactly the same size, the last one shorter. */
async function* blocks(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of source) {
    let at = 0;
    if (rest.length > 0) {
      at = Math.min(BLOCK - rest.length, chunk.length);
      rest = Buffer.concat([rest, chunk.subarray(0, at)]);
      if (rest.length < BLOCK) continue;
      yield rest;
    }
    for (; chunk.length - at >= BLOCK; at += BLOCK) yield chunk.subarray(at, at + BLOCK);
    rest = chunk.subarray(at);
  }
  if (rest.length > 0) yield rest;
}

const gzipMember = promisify<Buffer, { level: number; chunkSize: number }, Buffer>(gzip);

/** Room for a member in one piece: each further one would cost a turn of the event loop. */
const ROOM = MEMBER + (8 << 10);

/** Parts as one buffer: mostly they are neighbours in one already. */
function joined(parts: readonly Buffer[]): Buffer {
  const [first] = parts;
  const last = parts.at(-1);
  if (!first || !last) return Buffer.alloc(0);
  const bytes = parts.reduce((sum, { length }) => sum + length, 0);
  const span = last.byteOffset + last.length - first.byteOffset;
  const together = span === bytes && parts.every(({ buffer }) => buffer === first.buffer);
  return together ? Buffer.from(first.buffer, first.byteOffset, bytes) : Buffer.concat(parts);
}

/**
 * gzip on several cores: each piece is a member of its own (RFC 1952, 2.2), which every reader
 * takes as one file. zlib writes no time and no name into a member, and where a member ends
 * depends on nothing but the data, so that the bytes don't depend on the number of cores.
 */
async function* gzipped(source: AsyncIterable<Buffer>, level: number): AsyncGenerator<Buffer> {
  // One more than there are cores keeps them busy while a result is being handed on.
  const limit = Math.min(availableParallelism(), 8) + 1;
  const running: Promise<Buffer>[] = [];
  for await (const { parts, dense } of pieces(source)) {
    running.push(gzipMember(joined(parts), { level: dense ? 0 : level, chunkSize: ROOM }));
    if (running.length >= limit) yield (await running.shift()) as Buffer;
  }
  for (const result of running) yield await result;
}

/** zstd's output is the same for any number of threads, as long as it isn't --single-thread. */
async function* zstded(source: AsyncIterable<Buffer>, level: number): AsyncGenerator<Buffer> {
  const flags = [`-${level}`, '-T0', ...(level > 19 ? ['--ultra'] : [])];
  const stream = await zstdStream(flags);
  let sourceError: unknown;
  const input = Readable.from(source, { objectMode: false }).on('error', (error) => {
    sourceError = error;
  });
  try {
    // Errors come out of the last stream, which is read below.
    pipeline(input, stream, () => {});
    for await (const chunk of stream) yield chunk as Buffer;
  } catch (error) {
    throw sourceError ?? error;
  }
}

/** zlib's 4 gives the size of buildah's default (Debian minbase: 62.7 MB) in 3/4 of the time of 6. */
const DEFAULT_LEVELS = { gzip: 4, zstd: 3, none: 0 } as const;

/**
 * Compresses a layer while it streams. The same bytes and level give the same blob, for one
 * version of zlib or zstd.
 * @param level 1 to 9 for gzip, 1 to 22 for zstd; default 4 and 3
 * @returns the blob's bytes, and what is known once they have ended. The promise rejects with the
 *   error that ends them, and stays pending when nobody reads on.
 * @throws (while reading) the source's own errors; IsolationError when zstd is not installed
 */
export function compress(
  source: AsyncIterable<Buffer>,
  compression: Compression,
  level: number = DEFAULT_LEVELS[compression],
): { readonly chunks: AsyncGenerator<Buffer>; readonly result: Promise<CompressedLayer> } {
  const { promise: result, resolve, reject } = deferred<CompressedLayer>();
  // Whoever only reads the bytes gets the error there.
  result.catch(() => {});
  async function* blob(): AsyncGenerator<Buffer> {
    const plain = createMeter();
    const packed = createMeter();
    try {
      const input = metered(source, plain);
      if (compression === 'none') yield* input;
      else {
        const output = compression === 'gzip' ? gzipped(input, level) : zstded(input, level);
        yield* metered(output, packed);
      }
    } catch (error) {
      reject(error);
      throw error;
    }
    const before = plain.result();
    const after = compression === 'none' ? before : packed.result();
    resolve({ diffId: before.digest, uncompressedSize: before.size, ...after });
  }
  return { chunks: blob(), result };
}

function deferred<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (reason: unknown) => void = () => {};
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  return { promise, resolve, reject };
}
