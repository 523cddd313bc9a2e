/**
 * Text that wiac is given in files, on its command line and in its environment. Bytes that are not UTF-8 would be
 * read as U+FFFD, and silently mean something else: they are an error, as in a Dockerfile.
 */
import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { variablesWithoutText } from '../util/environment-bytes.js';
import { UsageError } from '../util/errors.js';
import { readNamedFile } from '../util/regular-file.js';

const PROBLEM = 'there are bytes here that are not UTF-8';
const HINT = 'write it as UTF-8';
/** What Node reads for such bytes. It may also be meant. */
const REPLACEMENT = '\uFFFD';

/** @param path 0: standard input. @throws Error as of readNamedFile, and for what is no text, with its line */
export function readText(path: string | 0): string {
  const bytes = readNamedFile(path);
  if (isUtf8(bytes)) return bytes.toString();
  const lines = bytes.toString('latin1').split('\n');
  const at = lines.findIndex((line) => !isUtf8(Buffer.from(line, 'latin1')));
  throw new Error(`line ${at + 1}: ${PROBLEM}`);
}

/** What the kernel has of this process; nothing where there is no /proc. */
function ownWords(): Buffer {
  try {
    return readFileSync('/proc/self/cmdline');
  } catch {
    return Buffer.alloc(0);
  }
}

/** @throws UsageError for words of the command line that are no text */
export function requireText(words: readonly string[]): void {
  const word = words.find((one) => one.includes(REPLACEMENT));
  if (word === undefined || isUtf8(ownWords())) return;
  throw new UsageError(`${word}: ${PROBLEM}`, { hint: HINT });
}

/** @throws UsageError for a variable whose value is no text */
export function environmentText(name: string): string | undefined {
  const value = process.env[name];
  if (value?.includes(REPLACEMENT) && variablesWithoutText(process.env).includes(name))
    throw new UsageError(`the variable ${name}: ${PROBLEM}`, { hint: HINT });
  return value;
}
