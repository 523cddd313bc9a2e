/** An archive in parts of one size, in memory that threads can share. */
import type { SharedBytes } from './gzip-threads.js';

/**
 * Bytes of a window; the last one of an archive is shorter. Each becomes gzip members of its own: to
 * change the size is to change every digest.
 */
export const WINDOW = 1 << 20;

/** A window, and whether it is the last one of its archive. */
export interface Windowed {
  readonly window: SharedBytes;
  readonly last: boolean;
}

/** Memory for windows: what nobody needs any more is used again, which spares the collector. */
export interface WindowMemory {
  /** Memory for a window; what is in it is undefined. */
  take(): SharedBytes;
  /** Gives a window back, which nobody may read any more. */
  give(window: SharedBytes): void;
}

export function createWindowMemory(): WindowMemory {
  const free: SharedArrayBuffer[] = [];
  return {
    take: () => Buffer.from(free.pop() ?? new SharedArrayBuffer(WINDOW)),
    give({ buffer }) {
      free.push(buffer);
    },
  };
}

function isWindow(chunk: Buffer): chunk is SharedBytes {
  const { length, byteOffset, buffer } = chunk;
  return length === WINDOW && byteOffset === 0 && buffer instanceof SharedArrayBuffer;
}

async function* fullAndRest(
  source: AsyncIterable<Buffer>,
  memory: WindowMemory,
): AsyncGenerator<SharedBytes> {
  let open: SharedBytes | undefined;
  let filled = 0;
  for await (const chunk of source) {
    if (open === undefined && isWindow(chunk)) {
      yield chunk;
      continue;
    }
    for (let at = 0; at < chunk.length; ) {
      open ??= memory.take();
      const bytes = chunk.copy(open, filled, at);
      at += bytes;
      filled += bytes;
      if (filled < WINDOW) continue;
      yield open;
      open = undefined;
      filled = 0;
    }
  }
  if (open) yield open.subarray(0, filled);
}

/**
 * Cuts an archive into windows. There is always a last one, and be it empty.
 * @param source chunks that are windows already are passed on as they are: nobody may write to them
 *   any more
 */
export async function* windowsOf(
  source: AsyncIterable<Buffer>,
  memory: WindowMemory,
): AsyncGenerator<Windowed> {
  let held: SharedBytes | undefined;
  for await (const window of fullAndRest(source, memory)) {
    if (held) yield { window: held, last: false };
    held = window;
  }
  yield { window: held ?? memory.take().subarray(0, 0), last: true };
}
