/** --logfile: progress in a file instead of on the terminal. */
import { appendFileSync, writeFileSync } from 'node:fs';
import { unwritable } from './result-file.js';

/**
 * Empties the file. @returns adds to it
 * @throws UsageError when it can't be written
 */
export function openLogFile(path: string): (text: string) => void {
  try {
    writeFileSync(path, '');
  } catch (cause) {
    throw unwritable('--logfile', path, cause);
  }
  return (text) => appendFileSync(path, text);
}
