/**
 * Files that are read whole. Whoever named one may have meant another: a device without an end would take all
 * memory, and a pipe is waited for where no signal ends that.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { addAbortSignal } from 'node:stream';
import { readFifo } from './fifo.js';
import { inWords } from './file-trouble.js';
import { statNamed } from './stat-named.js';

/** Longer than any file of settings, keys or variables. */
export const MOST_BYTES = 16 << 20;

const { O_NONBLOCK, O_RDONLY } = constants;
const PIECE = 1 << 16;

function withFile<T>(path: string, flags: number, action: (descriptor: number) => T): T {
  const descriptor = openSync(path, flags);
  try {
    return action(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

const tooLarge = (mostBytes: number) => new Error(`it is larger than ${mostBytes} bytes`);

function readUpTo(descriptor: number, mostBytes: number): Buffer {
  const stats = fstatSync(descriptor);
  // That of a pipe or a device shows only while it is read.
  if (stats.isFile() && stats.size > mostBytes) throw tooLarge(mostBytes);
  const pieces: Buffer[] = [];
  for (let bytes = 0; bytes <= mostBytes; ) {
    const piece = Buffer.allocUnsafe(PIECE);
    const count = readSync(descriptor, piece);
    if (count === 0) return Buffer.concat(pieces);
    pieces.push(piece.subarray(0, count));
    bytes += count;
  }
  throw tooLarge(mostBytes);
}

/**
 * Reads a file at a place that a stranger may have prepared.
 * @throws the file system's errors, Error for what is no file
 */
export function readRegularFile(path: string): Buffer {
  return withFile(path, O_RDONLY | O_NONBLOCK, (descriptor) => {
    if (!fstatSync(descriptor).isFile()) throw new Error(`${path} is no file`);
    return readFileSync(descriptor);
  });
}

/** What the caller names needs no system call in its message. */
function legibly<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw inWords(error);
  }
}

/**
 * Reads a file of a command line, which may be a pipe, such as `<(...)`.
 * @param path 0: standard input
 * @throws the file system's errors in words, Error for what is too large
 */
export function readNamedFile(path: string | 0, mostBytes = MOST_BYTES): Buffer {
  const read = (descriptor: number) => readUpTo(descriptor, mostBytes);
  return legibly(() => (path === 0 ? read(path) : withFile(path, O_RDONLY, read)));
}

async function readPipe(path: string, signal: AbortSignal, mostBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of addAbortSignal(signal, await readFifo(path)) as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > mostBytes) throw tooLarge(mostBytes);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/**
 * The same where other work goes on: who writes to a pipe may take a while, or never come.
 * @param signal ends the wait
 */
export async function awaitNamedFile(
  path: string,
  signal: AbortSignal,
  mostBytes = MOST_BYTES,
): Promise<Buffer> {
  if (!statNamed(path)?.isFIFO()) return readNamedFile(path, mostBytes);
  try {
    return await readPipe(path, signal, mostBytes);
  } catch (error) {
    signal.throwIfAborted();
    throw inWords(error);
  }
}

/**
 * Reads a file at a place that settings are looked for, again and again: it can't be a pipe. /dev/null is none.
 * @throws the file system's errors in words, Error for a pipe and for what is too large
 */
export function readSettings(path: string, mostBytes = MOST_BYTES): Buffer {
  return legibly(() =>
    withFile(path, O_RDONLY | O_NONBLOCK, (descriptor) => {
      if (fstatSync(descriptor).isFIFO()) throw new Error('it is a pipe, and no file');
      return readUpTo(descriptor, mostBytes);
    }),
  );
}
