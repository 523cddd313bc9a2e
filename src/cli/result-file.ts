/** Small files that say what a build made: --iidfile, --metadata-file, --report. */
import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { whyUnwritten } from '../oci/image-error.js';
import { writeWhole } from '../oci/write-file.js';
import { UsageError } from '../util/errors.js';

/** @param cause of any file that it was to be written by */
export function unwritable(option: string, path: string, cause: unknown): UsageError {
  return new UsageError(`${option} ${path}: it cannot be written: ${whyUnwritten(cause, path)}`, {
    cause,
    hint: 'give a file in a directory that is there',
  });
}

/**
 * Looks whether a file could be written, and writes nothing.
 * @throws UsageError that names the option when it can't
 */
export function requireWritable(option: string, path: string): void {
  try {
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats?.isDirectory()) throw new Error('it is a directory');
    // A file is replaced by another one; what is no file is written into.
    accessSync(stats && !stats.isFile() ? path : dirname(path), constants.W_OK);
  } catch (cause) {
    throw unwritable(option, path, cause);
  }
}

/** @throws UsageError that names the option when the file can't be written */
export async function writeResultFile(option: string, path: string, text: string): Promise<void> {
  try {
    await writeWhole(path, (file) => pipeline([text], file));
  } catch (cause) {
    throw unwritable(option, path, cause);
  }
}
