/**
 * FIFOs. As signs of life: a process that holds the reading end open is alive, in every pid namespace, and
 * stopped or not. The kernel closes it with the process, and (O_CLOEXEC) in the programs it executes.
 *
 * And as files of a command line. The other end may never come, or may stop. A thread of Node's pool that waits for it
 * can't be told to stop, and the process does not end before that thread: so nothing here waits in a system call.
 */
import { closeSync, constants, openSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/** Opens the reading end, without waiting for a writer. @throws ENOENT when it is not there */
export function openFifo(path: string): number {
  return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
}

/** Does any process hold the reading end of the FIFO open? False when there is no FIFO. */
export function hasReader(path: string): boolean {
  try {
    closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK));
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENXIO' || code === 'ENOENT') return false;
    throw error;
  }
}

/** How often it is looked for a reader. ms */
const POLL_MS = 20;

/** Reads what is written to a FIFO, once somebody writes. @throws the file system's errors */
export async function readFifo(path: string): Promise<Readable> {
  const { Socket } = await import('node:net');
  return new Socket({ fd: openFifo(path), readable: true, writable: false });
}

/** @returns undefined as long as nobody reads */
function tryOpenWriter(path: string): number | undefined {
  try {
    return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENXIO') return undefined;
    throw error;
  }
}

/** Opens a FIFO for writing, once somebody reads. @throws the file system's errors */
export async function writeFifo(path: string): Promise<Writable> {
  const { Socket } = await import('node:net');
  for (;;) {
    const fd = tryOpenWriter(path);
    if (fd !== undefined) return new Socket({ fd, readable: false, writable: true });
    await sleep(POLL_MS);
  }
}
