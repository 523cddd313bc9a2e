/** Files at places that a stranger may have prepared. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';

/**
 * Reads a file. A pipe in its place would be waited for, where no signal ends that, and a device may have no end.
 * @throws the file system's errors, Error for what is no file
 */
export function readRegularFile(path: string): Buffer {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!fstatSync(descriptor).isFile()) throw new Error(`${path} is no file`);
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
