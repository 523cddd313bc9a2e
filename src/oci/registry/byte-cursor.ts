/** Reads a blob in pieces, one after the other, from a stream that only starts at the beginning. */
import type { Readable } from 'node:stream';
import type { OpenBlob } from '../resolved-image.js';

/** A place in a blob. */
export interface ByteCursor {
  /**
   * Bytes from `start` up to but not including `end`. The stream is opened again when the last
   * piece was not read to its end or does not end at `start`.
   */
  read(start: number, end: number): AsyncGenerator<Buffer>;
  close(): Promise<void>;
}

/** An open stream and how far it was read. */
interface Progress {
  readonly stream: Readable;
  readonly chunks: AsyncIterator<Buffer>;
  position: number;
  /** What was read beyond `position`. */
  rest: Buffer;
  /** Whether a piece is being read; one that is given up stays so for good. */
  busy: boolean;
}

/** @returns at most `limit` bytes, undefined at the end */
async function nextBytes(progress: Progress, limit: number): Promise<Buffer | undefined> {
  if (progress.rest.length === 0) {
    const step = await progress.chunks.next();
    if (step.done) return undefined;
    progress.rest = step.value;
  }
  const part = progress.rest.subarray(0, limit);
  progress.rest = progress.rest.subarray(part.length);
  progress.position += part.length;
  return part;
}

async function openAt(open: OpenBlob, start: number): Promise<Progress> {
  const stream = await open();
  const chunks = (stream as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  const progress = { stream, chunks, position: 0, rest: Buffer.alloc(0), busy: true };
  while (progress.position < start) {
    const skipped = await nextBytes(progress, start - progress.position);
    if (skipped === undefined) break;
  }
  return progress;
}

/** A cursor at the start of a blob; nothing is opened before the first piece is read. */
export function openCursor(open: OpenBlob): ByteCursor {
  let current: Progress | undefined;
  return {
    async *read(start, end) {
      if (current === undefined || current.busy || current.position !== start) {
        current?.stream.destroy();
        current = await openAt(open, start);
      }
      // A piece that is read again while an earlier attempt still runs must not share its stream.
      const progress = current;
      progress.busy = true;
      while (progress.position < end) {
        const part = await nextBytes(progress, end - progress.position);
        if (part === undefined) return;
        yield part;
      }
      progress.busy = false;
    },
    async close() {
      current?.stream.destroy();
      current = undefined;
    },
  };
}
