/**
 * An archive in parts of one size, in memory that threads share. A window need not be complete: it
 * says which files' bytes belong where, so that whoever takes it reads them.
 */
import type { FileRead } from './fill-window.js';
import { fillWindow } from './fill-window.js';

/**
 * Bytes of a window; the last one of an archive is shorter. Each becomes gzip members of its own: to
 * change the size is to change every digest.
 */
export const WINDOW = 1 << 20;

/** Bytes in memory that threads share. */
export type SharedBytes = Buffer<SharedArrayBuffer>;

export interface Window {
  readonly bytes: SharedBytes;
  /** What is missing in it; see fillWindow. */
  readonly reads: readonly FileRead[];
}

/** Memory for windows: what nobody needs any more is used again, which spares the collector. */
export interface WindowMemory {
  /** Memory for a window; what is in it is undefined. */
  take(): SharedBytes;
  /** Gives a window back, which nobody may read any more. */
  give(bytes: SharedBytes): void;
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

/** Puts bytes into windows, one after the other; a window that was yielded is not touched again. */
export interface WindowWriter {
  add(data: Buffer): Generator<Window>;
  /** Leaves room for a file's first bytes. */
  addFile(path: FileRead['path'], size: number): Generator<Window>;
  /** What is left; an archive of no bytes is one empty window. */
  rest(): Generator<Window>;
}

export function createWindowWriter(memory: WindowMemory): WindowWriter {
  let bytes = memory.take();
  let reads: FileRead[] = [];
  let used = 0;
  let complete = 0;
  function* advance(count: number): Generator<Window> {
    used += count;
    if (used < WINDOW) return;
    complete += 1;
    yield { bytes, reads };
    bytes = memory.take();
    reads = [];
    used = 0;
  }
  return {
    *add(data) {
      for (let at = 0; at < data.length; ) {
        const count = data.copy(bytes, used, at);
        at += count;
        yield* advance(count);
      }
    },
    *addFile(path, size) {
      for (let from = 0; from < size; ) {
        const length = Math.min(size - from, WINDOW - used);
        reads.push({ path, from, to: used, length });
        from += length;
        yield* advance(length);
      }
    },
    *rest() {
      if (used > 0 || complete === 0) yield { bytes: bytes.subarray(0, used), reads };
    },
  };
}

/** Cuts an archive that comes as a stream into windows. */
export async function* windowsOf(
  source: AsyncIterable<Buffer>,
  memory: WindowMemory,
): AsyncGenerator<Window> {
  const writer = createWindowWriter(memory);
  for await (const chunk of source) yield* writer.add(chunk);
  yield* writer.rest();
}

/**
 * The archive's bytes, in memory that the reader may keep: a stream queues them, for one. They are
 * copied, because memory that threads share does not make the collector run; windows that did not
 * go back would stay until something else does.
 * @param memory where the windows come from
 * @throws (while reading) as fillWindow
 */
export async function* bytesOf(
  windows: AsyncIterable<Window>,
  memory: WindowMemory,
): AsyncGenerator<Buffer> {
  for await (const window of windows) {
    const copy = Buffer.from(fillWindow(window));
    memory.give(window.bytes);
    yield copy;
  }
}
