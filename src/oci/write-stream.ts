/** Writes to a stream that stays open: standard output. */
import { once } from 'node:events';
import type { Writable } from 'node:stream';

/**
 * Writes all chunks, at the pace of the reader. (pipeline() would wait for a reader that reads
 * no more, even after its signal.)
 * @throws the stream's error, the chunks' own, and the signal's reason
 */
export async function writeStream(
  chunks: AsyncIterable<Uint8Array>,
  output: Writable,
  signal?: AbortSignal,
): Promise<void> {
  const failure: { error?: Error } = {};
  const onError = (error: Error) => {
    failure.error = error;
  };
  output.on('error', onError);
  try {
    for await (const chunk of chunks) {
      signal?.throwIfAborted();
      if (!output.write(chunk)) await once(output, 'drain', { ...(signal && { signal }) });
      if (failure.error) throw failure.error;
    }
  } finally {
    output.off('error', onError);
  }
}
