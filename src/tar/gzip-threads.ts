/** Threads that compress windows of layers side by side, for one export. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { GzipJob } from './gzip-worker.js';

/** Bytes in memory that threads share. */
export type SharedBytes = Buffer<SharedArrayBuffer>;

export interface GzipThreads {
  /** Starts a thread, which takes as long as compressing a few windows, before there is work. */
  prepare(): void;
  /**
   * Compresses a window as gzipMembers does: in another thread, or here and now when those have
   * enough to do.
   * @param window nobody may write to it until this resolves
   */
  compress(window: SharedBytes, level: number): Promise<Buffer>;
  /** Ends the threads; what they were at fails. */
  close(): void;
}

/** The sources have no compiled worker beside them; tests that run them build dist/ first. */
const WORKER = import.meta.url.endsWith('.ts') ? '../../dist/gzip-worker.cjs' : './gzip-worker.cjs';

/** Windows of one thread: it is not to run out of them while this one compresses one itself. */
const QUEUE = 3;

const MAX_THREADS = 8;

interface Thread {
  readonly worker: Worker;
  /** In the order of their jobs. */
  readonly waiting: { resolve(members: Buffer): void; reject(error: Error): void }[];
}

function startThread(): Thread {
  const thread: Thread = { worker: new Worker(new URL(WORKER, import.meta.url)), waiting: [] };
  const { worker, waiting } = thread;
  // A thread without work must not keep the process from ending.
  worker.unref();
  worker.on('message', (members: ArrayBuffer) => {
    waiting.shift()?.resolve(Buffer.from(members));
    if (waiting.length === 0) worker.unref();
  });
  worker.on('error', (error) => fail(thread, error));
  return thread;
}

function fail({ waiting }: Thread, error: Error): void {
  for (const { reject } of waiting.splice(0)) reject(error);
}

/** No thread is started before somebody asks for one; this one takes its share of the work. */
export function createGzipThreads(): GzipThreads {
  const most = Math.min(availableParallelism() - 1, MAX_THREADS);
  const threads: Thread[] = [];
  const start = (): Thread => {
    const thread = startThread();
    threads.push(thread);
    return thread;
  };
  /** One that has room, the idlest of all; undefined when all have enough to do. */
  const next = (): Thread | undefined => {
    const [idlest] = threads.toSorted((a, b) => a.waiting.length - b.waiting.length);
    if (idlest && idlest.waiting.length < QUEUE) return idlest;
    return threads.length < most ? start() : undefined;
  };
  return {
    prepare() {
      if (threads.length === 0 && most > 0) start();
    },
    async compress(window, level) {
      const thread = next();
      if (!thread) {
        const { gzipMembers } = await import('./gzip-members.js');
        return gzipMembers(window, level);
      }
      const { worker, waiting } = thread;
      const { buffer: memory, length } = window;
      const job: GzipJob = { memory, length, level };
      worker.ref();
      worker.postMessage(job);
      return await new Promise<Buffer>((resolve, reject) => waiting.push({ resolve, reject }));
    },
    close() {
      for (const thread of threads.splice(0)) {
        fail(thread, new Error('the compression was given up'));
        thread.worker.terminate();
      }
    },
  };
}
