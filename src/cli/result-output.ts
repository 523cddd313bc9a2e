/** Standard output that a result is written to (`-o -`): it must be whole, while lists may be cut (`wiac cache ls | head`). */
import { constants } from 'node:os';
import type { Writable } from 'node:stream';

/** That of docker and tar, which the signal ends. */
const CUT = 128 + constants.signals.SIGPIPE;

let isResult = false;
let isCut = false;

/** Standard output for a result. */
export function resultOutput(): Writable {
  isResult = true;
  return process.stdout;
}

/** The reader of our output has closed it. The command that writes a result fails, and clears up what it has made. */
export function outputClosed(): void {
  if (!isResult) process.exit(0);
  isCut = true;
  process.exitCode = CUT;
}

/** The exit code of a command whose result was cut; undefined when that is not why it failed. */
export function cutCode(): number | undefined {
  return isCut ? CUT : undefined;
}
