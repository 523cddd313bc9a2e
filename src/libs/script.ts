/** The `#!` line of a script, as Linux reads it (execve(2), "Interpreter scripts"). */
import { closeSync, openSync, readSync } from 'node:fs';

/** BINPRM_BUF_SIZE: Linux looks no further. */
const START_BYTES = 256;

/** What a script is run with. */
export interface Shebang {
  readonly interpreter: string;
  /** The program that `env` is to look up in PATH, when the interpreter is env. */
  readonly lookedUp: string | undefined;
}

/**
 * The program among env's operands: options and NAME=value come before it. A carriage return at the
 * end of the line belongs to it, as for Linux; only `env -S` takes that for a blank.
 */
function envProgram(argument: string): string | undefined {
  const split = argument.replace(/^(?:-S|--split-string[= ])\s*/, '');
  const words = split.split(split === argument ? /[ \t]+/ : /\s+/);
  return words.find((word) => word !== '' && !word.startsWith('-') && !word.includes('='));
}

/** Reads the first line of a script. @returns undefined when it is no `#!` line */
export function parseShebang(start: string): Shebang | undefined {
  const match = /^#![ \t]*([^ \t\n\0]+)[ \t]*([^\n\0]*)/.exec(start);
  const interpreter = match?.[1];
  if (interpreter === undefined) return undefined;
  const isEnv = /\/env$/.test(interpreter);
  return { interpreter, lookedUp: isEnv ? envProgram(match?.[2] ?? '') : undefined };
}

/** Reads the `#!` line of an open file. @returns undefined when it has none */
export function readOpenShebang(descriptor: number): Shebang | undefined {
  const start = Buffer.alloc(START_BYTES);
  const length = readSync(descriptor, start, 0, start.length, 0);
  return parseShebang(start.toString('utf8', 0, length));
}

/** As readOpenShebang, for a file of this machine. */
export function readShebang(path: string): Shebang | undefined {
  const descriptor = openSync(path, 'r');
  try {
    return readOpenShebang(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
