/** --logfile: progress in a file instead of on the terminal. */
import { appendFileSync, writeFileSync } from 'node:fs';
import { UsageError } from '../util/errors.js';

/**
 * Empties the file. @returns adds to it
 * @throws UsageError when it can't be written
 */
export function openLogFile(path: string): (text: string) => void {
  try {
    writeFileSync(path, '');
  } catch (cause) {
    throw new UsageError(`--logfile ${path}: ${(cause as Error).message}`, { cause });
  }
  return (text) => appendFileSync(path, text);
}
