/** What a thread of gzip-threads.ts does: windows in, members out, one after the other. */
import { parentPort } from 'node:worker_threads';
import { gzipMembers } from './gzip-members.js';

/** A window to be compressed. */
export interface GzipJob {
  /** Nobody writes to it any more. */
  readonly memory: SharedArrayBuffer;
  /** Bytes of it that count. */
  readonly length: number;
  readonly level: number;
}

parentPort?.on('message', ({ memory, length, level }: GzipJob) => {
  const { buffer } = gzipMembers(Buffer.from(memory, 0, length), level);
  parentPort?.postMessage(buffer, [buffer]);
});
