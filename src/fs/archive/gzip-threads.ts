/** Threads that read and compress windows of layers side by side, for one export. */
import { Worker } from 'node:worker_threads';
import { fillWindow, sendReads } from './fill-window.js';
import type { GzipAnswer, GzipJob } from './gzip-worker.js';
import { threadPool } from './thread-pool.js';
import type { Window } from './windows.js';

export interface GzipThreads {
  /** Starts a thread, which takes as long as compressing a few windows, before there is work. */
  prepare(): void;
  /**
   * Fills a window and compresses it as gzipMembers does: in another thread, or here and now when
   * those have enough to do, or can't be had.
   * @param window must not be written to until this resolves; it is complete then
   * @throws as fillWindow, and when the threads are closed
   */
  compress(window: Window, level: number): Promise<Buffer>;
  /** Ends the threads; their running jobs and all later ones fail. */
  close(): void;
}

/** The sources have no compiled worker beside them; tests that run them build dist/ first. */
const WORKER = import.meta.url.endsWith('.ts') ? '../../dist/gzip-worker.cjs' : './gzip-worker.cjs';

/** Windows of one thread: it is not to run out of them while this one compresses one itself. */
const QUEUE = 3;

/** Each takes 20 MB, half of it garbage of which V8 does not know: a push is to stay below 200. */
const MAX_THREADS = 3;

interface Thread {
  readonly worker: Worker;
  /** In the order of their jobs. */
  readonly waiting: { resolve(answer: GzipAnswer): void; reject(error: Error): void }[];
}

/**
 * @param onEnd is called when it has ended, before its jobs are answered
 * @throws when there can be no more threads
 */
function startThread(onEnd: (thread: Thread) => void): Thread {
  const thread: Thread = { worker: new Worker(new URL(WORKER, import.meta.url)), waiting: [] };
  const { worker, waiting } = thread;
  // A thread without work must not keep the process from ending.
  worker.unref();
  worker.on('message', (answer: GzipAnswer) => {
    waiting.shift()?.resolve(answer);
    if (waiting.length === 0) worker.unref();
  });
  // It could not start, or ran out of memory: it ends, and what it was at is tried again here.
  worker.on('error', () => {});
  worker.on('exit', () => {
    onEnd(thread);
    for (const { resolve } of waiting.splice(0)) resolve(undefined);
  });
  return thread;
}

function askThread({ worker, waiting }: Thread, job: GzipJob): Promise<GzipAnswer> {
  worker.ref();
  worker.postMessage(job);
  return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
}

/** The same on this thread. */
export async function compressHere(window: Window, level: number): Promise<Buffer> {
  const { gzipMembers } = await import('../../oci/compress/gzip-members.js');
  return gzipMembers(fillWindow(window), level);
}

/** Threads are started when the first window comes; the calling thread takes its share of the work. */
export function createGzipThreads(): GzipThreads {
  const pool = threadPool(MAX_THREADS, startThread);
  let closed: Error | undefined;
  /** One that has room, the idlest of all; undefined when all have enough to do. */
  const next = (): Thread | undefined => {
    const [idlest] = pool.all().toSorted((a, b) => a.waiting.length - b.waiting.length);
    return idlest && idlest.waiting.length < QUEUE ? idlest : pool.start();
  };
  return {
    prepare() {
      if (pool.all().length === 0) pool.start();
    },
    async compress(window, level) {
      if (closed) throw closed;
      const thread = next();
      if (!thread) return compressHere(window, level);
      const { buffer: memory, length } = window.bytes;
      const reads = sendReads(window.reads);
      const members = await askThread(thread, { memory, length, reads, level });
      return members ? Buffer.from(members) : compressHere(window, level);
    },
    close() {
      closed = new Error('the compression was given up');
      for (const { worker, waiting } of pool.close()) {
        for (const { reject } of waiting.splice(0)) reject(closed);
        worker.terminate();
      }
    },
  };
}
