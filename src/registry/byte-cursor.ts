/** Reads a blob in pieces, one after the other, from a stream that only starts at the beginning. */
import type { Readable } from 'node:stream';
import type { OpenBlob } from '../oci/image.js';

/** A place in a blob. */
export interface ByteCursor {
  /**
   * Bytes from `start` up to but not including `end`. The stream is opened again when the last
   * piece was not read to its end or does not end at `start`.
   */
  read(start: number, end: number): AsyncGenerator<Buffer>;
  close(): Promise<void>;
}

interface Opened {
  readonly stream: Readable;
  readonly chunks: AsyncIterator<Buffer>;
}

/** A cursor at the start of a blob; nothing is opened before the first piece is read. */
export function openCursor(open: OpenBlob): ByteCursor {
  let opened: Opened | undefined;
  let position = 0;
  let rest: Buffer = Buffer.alloc(0);

  const close = async (): Promise<void> => {
    opened?.stream.destroy();
    opened = undefined;
    rest = Buffer.alloc(0);
    position = 0;
  };
  const chunk = async (source: Opened, limit: number): Promise<Buffer | undefined> => {
    if (rest.length === 0) {
      const step = await source.chunks.next();
      if (step.done) return undefined;
      rest = step.value;
    }
    const part = rest.subarray(0, limit);
    rest = rest.subarray(part.length);
    position += part.length;
    return part;
  };
  const openAt = async (start: number): Promise<Opened> => {
    if (opened !== undefined && position === start) return opened;
    await close();
    const stream = await open();
    opened = { stream, chunks: (stream as AsyncIterable<Buffer>)[Symbol.asyncIterator]() };
    while (position < start) {
      const skipped = await chunk(opened, start - position);
      if (skipped === undefined) break;
    }
    return opened;
  };

  return {
    async *read(start, end) {
      const source = await openAt(start);
      while (position < end) {
        const part = await chunk(source, end - position);
        if (part === undefined) return;
        yield part;
      }
    },
    close,
  };
}
