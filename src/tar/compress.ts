/** Layers into blobs: compression, digests and sizes in one pass. */
import { createHash } from 'node:crypto';
import { pipeline, Readable } from 'node:stream';
import type { Compression } from './decompress.js';
import type { GzipThreads, SharedBytes } from './gzip-threads.js';
import { createGzipThreads } from './gzip-threads.js';
import type { WindowMemory } from './windows.js';
import { createWindowMemory, windowsOf } from './windows.js';
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

/** Lets in what threads and readers have to say: packing files waits for nobody. */
const turn = () => new Promise<void>((resume) => setImmediate(resume));

/**
 * gzip on several cores: each window becomes members of its own, which depend on nothing but the
 * data, so that the bytes don't depend on the number of cores.
 */
async function* gzipped(
  source: AsyncIterable<Buffer>,
  level: number,
  shared: GzipThreads | undefined,
  memory: WindowMemory,
): AsyncGenerator<Buffer> {
  const threads = shared ?? createGzipThreads();
  const running: { readonly members: Promise<Buffer>; settled: boolean }[] = [];
  const run = (window: SharedBytes): void => {
    const members = threads.compress(window, level);
    const job = { members, settled: false };
    const settle = () => {
      job.settled = true;
      memory.give(window);
    };
    // It may fail before it is waited for.
    members.then(settle, settle);
    running.push(job);
  };
  let began = false;
  try {
    for await (const { window, last } of windowsOf(source, memory)) {
      if (last && !began) {
        // Most layers are small: this one is compressed before a thread would have started.
        const { gzipMembers } = await import('./gzip-members.js');
        yield gzipMembers(window, level);
        return;
      }
      began = true;
      run(window);
      await turn();
      for (let [first] = running; first?.settled; [first] = running) {
        running.shift();
        yield await first.members;
      }
    }
    for (const { members } of running) yield await members;
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

/** libdeflate's 1 gives the size of buildah's default (Debian minbase: 64.4 and 63.3 MB). */
const DEFAULT_LEVELS = { gzip: 1, zstd: 3, none: 0 } as const;

/** How a layer is compressed. */
export interface CompressOptions {
  /** 1 to 9 for gzip, 1 to 22 for zstd; default 1 and 3. */
  readonly level?: number | undefined;
  /** For gzip; who compresses several layers lets them share threads. The caller closes them. */
  readonly threads?: GzipThreads | undefined;
  /** Where the source gets its chunks from, if they are to come back. */
  readonly memory?: WindowMemory | undefined;
}

/**
 * Compresses a layer while it streams. The same bytes and level give the same blob, whatever the
 * machine; for zstd, with one version of it.
 * @returns the blob's bytes, and what is known once they have ended. The promise rejects with the
 *   error that ends them, and stays pending when nobody reads on.
 * @throws (while reading) the source's own errors; IsolationError when zstd is not installed
 */
export function compress(
  source: AsyncIterable<Buffer>,
  compression: Compression,
  options: CompressOptions = {},
): { readonly chunks: AsyncGenerator<Buffer>; readonly result: Promise<CompressedLayer> } {
  const { level = DEFAULT_LEVELS[compression], threads, memory = createWindowMemory() } = options;
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
        const output =
          compression === 'gzip' ? gzipped(input, level, threads, memory) : zstded(input, level);
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
