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

/**
 * Makes FIFOs with mkfifo(1): Node can't.
 * @returns what mkfifo says when it failed
 */
export async function makeFifos(paths: readonly string[]): Promise<string | undefined> {
  const { spawnSync } = await import('node:child_process');
  const { status, stderr, error } = spawnSync('mkfifo', ['--', ...paths], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  if (error) throw error;
  return status === 0 ? undefined : stderr.trim();
}
