/** What a thread of gzip-threads.ts does: windows in, members out, one after the other. */
import { parentPort } from 'node:worker_threads';
import { gzipMembers } from '../../oci/compress/gzip-members.js';
import type { SentReads } from './fill-window.js';
import { fillWindow, receiveReads } from './fill-window.js';

/** A window to be filled and compressed. */
export interface GzipJob {
  /** No other thread writes to it. */
  readonly memory: SharedArrayBuffer;
  /** Bytes of it that count. */
  readonly length: number;
  readonly reads: SentReads;
  readonly level: number;
}

/** The members; undefined when it did not work, which shows again where it is tried again. */
export type GzipAnswer = ArrayBuffer | undefined;

function answer({ memory, length, reads, level }: GzipJob): GzipAnswer {
  try {
    const window = { bytes: Buffer.from(memory, 0, length), reads: receiveReads(reads) };
    return gzipMembers(fillWindow(window), level).buffer;
  } catch {
    return undefined;
  }
}

parentPort?.on('message', (job: GzipJob) => {
  const members = answer(job);
  parentPort?.postMessage(members, members ? [members] : []);
});
