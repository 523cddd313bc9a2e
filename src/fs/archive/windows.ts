/**
 * An archive in parts of one size, in memory that threads share. A window need not be complete: it
 * says which files' bytes belong where, so that the thread that takes it reads them.
 */
import { BLOCK, padding } from '../../oci/tar/entry.js';
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
  /** The parts of it that are still to be read; see fillWindow. */
  readonly reads: readonly FileRead[];
}

/** Memory for windows. A window that was given back is used again, which spares the garbage collector. */
export interface WindowMemory {
  /** Memory for a window; its content is undefined. */
  take(): SharedBytes;
  /** Gives a window back. It must not be read after that. */
  give(bytes: SharedBytes): void;
}

/**
 * Windows that nobody has now, for whoever is next: the collector does not count memory that threads
 * share, and 3,000 small layers with a window each held a gigabyte.
 */
const idle: SharedArrayBuffer[] = [];

/** So many wait at most: as many as two layers that are compressed at once have. */
const MAX_IDLE = 32;

export function createWindowMemory(): WindowMemory {
  return {
    take: () => Buffer.from(idle.pop() ?? new SharedArrayBuffer(WINDOW)),
    give({ buffer }) {
      if (idle.length < MAX_IDLE) idle.push(buffer);
    },
  };
}

/**
 * Puts bytes into windows, one after the other. What its functions return are windows that are full,
 * and are not touched again: to be taken before the next call.
 */
export interface WindowWriter {
  add(data: Buffer): Iterable<Window>;
  /** Room for one block; in an archive that has nothing but blocks none lies in two windows. */
  block(): { readonly bytes: SharedBytes; readonly at: number };
  /** The block has been written. */
  endBlock(): Iterable<Window>;
  /** Leaves room for a file's first bytes, and fills up its last block. */
  addFile(path: FileRead['path'], size: number): Iterable<Window>;
  /** The rest; an archive of no bytes is one empty window. */
  rest(): Iterable<Window>;
}

const NONE: readonly Window[] = [];

export function createWindowWriter(memory: WindowMemory): WindowWriter {
  let open: SharedBytes | undefined;
  let reads: FileRead[] = [];
  let used = 0;
  let complete = 0;
  /** Taken when it is written to: the receiver of the last one may have given that back. */
  const bytes = (): SharedBytes => {
    open ??= memory.take();
    return open;
  };
  const advance = (count: number): readonly Window[] => {
    used += count;
    if (used < WINDOW) return NONE;
    const full = [{ bytes: bytes(), reads }];
    complete += 1;
    open = undefined;
    reads = [];
    used = 0;
    return full;
  };
  const leave = (path: FileRead['path'], from: number, length: number): readonly Window[] => {
    reads.push({ path, from, to: used, length });
    return advance(length);
  };
  const fillBlock = (): readonly Window[] => {
    const count = padding(used);
    bytes().fill(0, used, used + count);
    return advance(count);
  };
  function* leaveAll(path: FileRead['path'], size: number): Generator<Window> {
    for (let from = 0; from < size; ) {
      const length = Math.min(size - from, WINDOW - used);
      yield* leave(path, from, length);
      from += length;
    }
    yield* fillBlock();
  }
  function* addAll(data: Buffer): Generator<Window> {
    for (let at = 0; at < data.length; ) {
      const count = data.copy(bytes(), used, at);
      at += count;
      yield* advance(count);
    }
  }
  return {
    add: addAll,
    block: () => ({ bytes: bytes(), at: used }),
    endBlock: () => advance(BLOCK),
    addFile(path, size) {
      // Most files are small: a generator for each takes as long as its header.
      if (used + size >= WINDOW) return leaveAll(path, size);
      leave(path, 0, size);
      return fillBlock();
    },
    rest: () => (used > 0 || complete === 0 ? [{ bytes: bytes().subarray(0, used), reads }] : NONE),
  };
}

/** Cuts an archive that comes as a stream into windows. */
export async function* getWindows(
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
export async function* getBytes(
  windows: AsyncIterable<Window>,
  memory: WindowMemory,
): AsyncGenerator<Buffer> {
  for await (const window of windows) {
    const copy = Buffer.from(fillWindow(window));
    memory.give(window.bytes);
    yield copy;
  }
}
