/** A file that is read while it is being written: a blob is sent while it is being compressed. */
import { closeSync, openSync, readSync } from 'node:fs';
import { Readable } from 'node:stream';
import { deferred } from '../../util/deferred.js';
import { writeAll } from '../../util/write-all.js';

/** Bytes of one read of what a slow reader has left behind. */
const READ_BYTES = 1 << 20;

/** A file that grows until it has ended. */
export interface GrowingFile {
  /** Resolves with its first bytes, or when it ends without any; rejects with what ends it then. */
  readonly started: Promise<void>;
  /** From the first byte on; waits for what is still to come, and fails when writing does. */
  open(): Readable;
  /** Readers that keep up get the chunk itself, others read the file: memory stays as it is. */
  write(chunk: Buffer): void;
  /** Nothing more comes. @param failure what ends the readers, if it did not end well */
  end(failure?: unknown): void;
  /** Ends readers that are still there; the file itself stays. */
  close(): void;
}

/** @param path of the file, which is made anew; it may be renamed at any time */
export function createGrowingFile(path: string): GrowingFile {
  const fd = openSync(path, 'w+');
  let size = 0;
  let last: Buffer = Buffer.alloc(0);
  let ended: { readonly failure?: unknown } | undefined;
  let waiting: (() => void)[] = [];
  const { promise: started, resolve, reject } = deferred<void>();
  // A reader that opens it gets the failure as well.
  started.catch(() => {});
  const wake = () => {
    const readers = waiting;
    waiting = [];
    for (const resume of readers) resume();
  };

  /** Bytes from an offset on: those just written as they are, those before them from the file. */
  const take = (offset: number): Buffer => {
    const start = size - last.length;
    if (offset >= start) return last.subarray(offset - start);
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, size - offset));
    return buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, offset));
  };

  async function* bytes(): AsyncGenerator<Buffer> {
    for (let offset = 0; ; ) {
      if (ended?.failure !== undefined) throw ended.failure;
      if (offset < size) {
        const chunk = take(offset);
        offset += chunk.length;
        yield chunk;
      } else if (ended) return;
      else await new Promise<void>((resume) => waiting.push(resume));
    }
  }

  return {
    started,
    open: () => Readable.from(bytes(), { objectMode: false, highWaterMark: READ_BYTES }),
    write(chunk) {
      writeAll(fd, chunk);
      size += chunk.length;
      last = chunk;
      resolve();
      wake();
    },
    end(failure) {
      ended = { failure };
      if (failure === undefined) resolve();
      else reject(failure);
      wake();
    },
    close() {
      // A reader that is still there would read whatever gets this number next.
      ended = { failure: new Error(`${path} was closed`) };
      wake();
      closeSync(fd);
    },
  };
}
