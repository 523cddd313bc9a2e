/**
 * FIFOs as signs of life: a process that holds the reading end open is alive, in every pid namespace, and
 * stopped or not. The kernel closes it with the process, and (O_CLOEXEC) in the programs it executes.
 */
import { closeSync, constants, openSync } from 'node:fs';

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
