/** Layers into blobs: compression, digests and sizes in one pass. */
import { createHash } from 'node:crypto';
import { pipeline, Readable } from 'node:stream';
import type { Compression } from '../../oci/compress/decompress.js';
import { zstdStream } from '../../oci/compress/zstd.js';
import { deferred } from '../../util/deferred.js';
import type { GzipThreads } from './gzip-threads.js';
import { compressHere, createGzipThreads } from './gzip-threads.js';
import type { Window, WindowMemory } from './windows.js';
import { getBytes } from './windows.js';

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

/** Gives threads and readers their turn: packing files never waits by itself. */
const turn = () => new Promise<void>((resume) => setImmediate(resume));

/**
 * Windows in memory at most. They leave it in their order: a thread whose files lie on a slow disk
 * would let all that follow pile up. All threads together hold fewer (gzip-threads.ts), so that none
 * of them waits for this.
 */
const MAX_RUNNING = 16;

/** A window that is being compressed. */
interface Running {
  readonly window: Window;
  readonly members: Promise<Buffer>;
  readonly isSettled: () => boolean;
}

function watch(window: Window, members: Promise<Buffer>): Running {
  let settled = false;
  const settle = () => {
    settled = true;
  };
  // It may fail before it is waited for.
  members.then(settle, settle);
  return { window, members, isSettled: () => settled };
}

/** The windows of an archive, each when it is known whether it is the only one. */
async function* markOnly(
  archive: AsyncIterable<Window>,
): AsyncGenerator<{ readonly window: Window; readonly isOnly: boolean }> {
  let last: { readonly window: Window; readonly isOnly: boolean } | undefined;
  for await (const window of archive) {
    if (last) yield { window: last.window, isOnly: false };
    last = { window, isOnly: last === undefined };
  }
  if (last) yield last;
}

/** Starts to compress windows, as many at a time as may be in memory; gives them in their order. */
async function* compressWindows(
  archive: AsyncIterable<Window>,
  threads: GzipThreads,
  level: number,
): AsyncGenerator<Running> {
  const running: Running[] = [];
  for await (const { window, isOnly } of markOnly(archive)) {
    // Most layers are small: one window is compressed before a thread would have started.
    const members = isOnly ? compressHere(window, level) : threads.compress(window, level);
    running.push(watch(window, members));
    if (!isOnly) await turn();
    while (running[0]?.isSettled() || running.length >= MAX_RUNNING)
      yield running.shift() as Running;
  }
  yield* running;
}

/**
 * gzip on several cores: each window becomes members of its own, which depend on nothing but the
 * data, so that the bytes don't depend on the number of cores.
 * @param plain is told of the bytes before they are compressed
 */
async function* gzipped(
  archive: AsyncIterable<Window>,
  plain: Meter,
  { level = DEFAULT_LEVELS.gzip, threads: shared, memory }: CompressOptions,
): AsyncGenerator<Buffer> {
  const threads = shared ?? createGzipThreads();
  try {
    for await (const { window, members } of compressWindows(archive, threads, level)) {
      const compressed = await members;
      plain.update(window.bytes);
      memory.give(window.bytes);
      yield compressed;
    }
  } finally {
    if (!shared) threads.close();
  }
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

/** libdeflate's 1 gives the size of buildah's default (Debian minbase: 65.1 and 63.3 MB). */
const DEFAULT_LEVELS = { gzip: 1, zstd: 3 } as const;

/** How a layer is compressed. */
export interface CompressOptions {
  /** 1 to 9 for gzip, 1 to 22 for zstd; default 1 and 3. */
  readonly level?: number | undefined;
  /** For gzip; who compresses several layers lets them share threads. The caller closes them. */
  readonly threads?: GzipThreads | undefined;
  /** Where the archive's windows come from, and go back to. */
  readonly memory: WindowMemory;
}

/**
 * Compresses a layer while it is being packed. The same bytes and level give the same blob, whatever
 * the machine; for zstd, with one version of it.
 * @returns the blob's bytes, and what is known once they have ended. The promise rejects with the
 *   error that ends them, and stays pending when the blob is not read to its end.
 * @throws (while reading) the archive's own errors, as fillWindow; IsolationError when zstd is not
 *   installed
 */
export function compress(
  archive: AsyncIterable<Window>,
  compression: Compression,
  options: CompressOptions,
): { readonly chunks: AsyncGenerator<Buffer>; readonly result: Promise<CompressedLayer> } {
  const { promise: result, resolve, reject } = deferred<CompressedLayer>();
  // A caller that only reads the bytes gets the error there.
  result.catch(() => {});
  async function* blob(): AsyncGenerator<Buffer> {
    const plain = createMeter();
    const packed = createMeter();
    try {
      const input = () => metered(getBytes(archive, options.memory), plain);
      if (compression === 'gzip') yield* metered(gzipped(archive, plain, options), packed);
      else if (compression === 'none') yield* input();
      else yield* metered(zstded(input(), options.level ?? DEFAULT_LEVELS.zstd), packed);
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
