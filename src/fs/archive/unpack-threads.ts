/**
 * Threads that unpack layers side by side. A layer is work for one thread: to decompress, to digest, and five calls of
 * the file system a file. So the layers of an image are shared out among the processors. One alone stays here: it
 * would be no faster elsewhere, and each thread takes 40 MB, most of it garbage of which V8 does not know.
 */
import { on } from 'node:events';
import type { Readable } from 'node:stream';
import type { MessagePort } from 'node:worker_threads';
import { MessageChannel, Worker } from 'node:worker_threads';
import { threadPool } from './thread-pool.js';
import type { UnpackedLayer, UnpackOptions } from './unpack-layer.js';
import { unpackLayer } from './unpack-layer.js';
import type { Piece, UnpackAnswer, UnpackJob } from './unpack-worker.js';

/** An archive that is to become a layer. */
export interface UnpackSource {
  readonly archive: Readable;
  /** The same archive from the beginning, once the first has been read to its end. */
  readonly again: () => Readable;
  /** Makes the directory an empty one again. */
  readonly clear: () => void;
}

export interface UnpackThreads {
  /** As unpackLayer: in a thread where that is faster. */
  unpack(source: UnpackSource, directory: string, options: UnpackOptions): Promise<UnpackedLayer>;
  /** Ends the threads, once nothing is being unpacked. */
  close(): void;
}

/** The sources have no compiled worker beside them; tests that run them build dist/ first. */
const WORKER = import.meta.url.endsWith('.ts')
  ? '../../dist/unpack-worker.cjs'
  : './unpack-worker.cjs';

/** A pull is to stay below 250 MB. */
const MAX_THREADS = 2;

/** Pieces of an archive that a thread has not taken yet. */
const AHEAD = 8;

interface Thread {
  readonly worker: Worker;
  /** Told when it ends, for each layer that it unpacks. */
  readonly jobs: Set<() => void>;
}

/** @throws when there can be no more threads */
function startThread(onEnd: (thread: Thread) => void): Thread {
  const worker = new Worker(new URL(WORKER, import.meta.url));
  const thread: Thread = { worker, jobs: new Set() };
  // A thread without work must not keep the process from ending.
  worker.unref();
  // It could not start, or ran out of memory: it ends, and what it was at is done again here.
  worker.on('error', () => {});
  worker.on('exit', () => {
    onEnd(thread);
    for (const end of thread.jobs) end();
  });
  return thread;
}

/**
 * Sends an archive to a thread, as far as it takes it.
 * @returns undefined when the thread could not unpack it: the archive has been read to its end then
 * @throws the archive's own errors, once the thread has ended with it
 */
async function feed(port: MessagePort, archive: Readable): Promise<UnpackedLayer | undefined> {
  const answers = on(port, 'message') as AsyncIterableIterator<[UnpackAnswer]>;
  let ahead = 0;
  let ended: { readonly layer: UnpackedLayer | undefined } | undefined;
  /** Hears one answer. */
  const hear = async (): Promise<void> => {
    const [answer] = (await answers.next()).value;
    if (answer === 'taken') ahead -= 1;
    else ended = { layer: answer === 'failed' ? undefined : answer };
  };
  const finish = async (last: Piece): Promise<UnpackedLayer | undefined> => {
    port.postMessage(last);
    while (!ended) await hear();
    return ended.layer;
  };
  try {
    for await (const chunk of archive as AsyncIterable<Buffer>) {
      while (!ended && ahead >= AHEAD) await hear();
      if (ended) continue;
      // Its memory may be part of a larger piece, which others read.
      const piece = Uint8Array.from(chunk);
      port.postMessage(piece, [piece.buffer]);
      ahead += 1;
    }
  } catch (error) {
    // Nobody removes the directory while the thread still writes to it.
    await finish('gone');
    throw error;
  }
  return finish('end');
}

/** @returns undefined when it could not */
async function askThread(
  { worker, jobs }: Thread,
  { archive }: UnpackSource,
  directory: string,
  options: UnpackOptions,
): Promise<UnpackedLayer | undefined> {
  const { port1, port2 } = new MessageChannel();
  // Looks like its answer: whoever waits for one must not wait for ever.
  const end = () => port1.emit('message', 'failed' satisfies UnpackAnswer);
  jobs.add(end);
  worker.ref();
  try {
    const job: UnpackJob = { directory, options, port: port2 };
    worker.postMessage(job, [port2]);
    return await feed(port1, archive);
  } finally {
    jobs.delete(end);
    if (jobs.size === 0) worker.unref();
    port1.close();
  }
}

/** Threads are started when they are needed; the calling thread takes its share of the work. */
export function createUnpackThreads(): UnpackThreads {
  const pool = threadPool(MAX_THREADS, startThread);
  /** How many layers this thread is unpacking. */
  let here = 0;
  /** The one with the least to do, if that is less than this one has; undefined: this one does it. */
  const next = (): Thread | undefined => {
    if (here === 0) return undefined;
    const [idlest] = pool.all().toSorted((a, b) => a.jobs.size - b.jobs.size);
    if (idlest?.jobs.size === 0) return idlest;
    const started = pool.start();
    if (started) return started;
    return idlest && idlest.jobs.size <= here ? idlest : undefined;
  };
  const unpackHere = async (
    archive: Readable,
    directory: string,
    options: UnpackOptions,
  ): Promise<UnpackedLayer> => {
    here += 1;
    try {
      return await unpackLayer(archive, directory, options);
    } finally {
      here -= 1;
    }
  };
  return {
    async unpack(source, directory, options) {
      const thread = next();
      if (!thread) return unpackHere(source.archive, directory, options);
      const unpacked = await askThread(thread, source, directory, options);
      if (unpacked) return unpacked;
      source.clear();
      return unpackHere(source.again(), directory, options);
    },
    close() {
      for (const { worker } of pool.close()) worker.terminate();
    },
  };
}
