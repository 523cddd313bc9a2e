/** How many files a process may have open (RLIMIT_NOFILE), and the error when they are too few. */
import { readFileSync } from 'node:fs';
import { LimitError } from './errors.js';

/** Node has about twenty open when it starts, a step needs a dozen for its pipes and layers. */
const LEAST = 64;

/** Node's names, and the numbers that lmdb gives. */
const CODES = new Set<unknown>(['EMFILE', 'ENFILE', 24, 23]);

/** "Too many open files" as a typed error; undefined for others. */
export function asLimitError(error: unknown): LimitError | undefined {
  if (!CODES.has((error as { code?: unknown } | undefined)?.code)) return undefined;
  return new LimitError(`too many open files: ${(error as Error).message}`, {
    hint: 'allow more (ulimit -n 1024), or build with fewer steps at a time (--jobs 1)',
    cause: error,
  });
}

function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'latin1');
  } catch {
    // --help and --version need none; requireProc() speaks for the others.
    return '';
  }
}

/** @throws LimitError when this process may not open as many files as wiac needs */
export function requireOpenFiles(): void {
  // Node has raised the soft limit to the hard one.
  const [, soft] = /^Max open files +(\d+)/m.exec(readLimits()) ?? [];
  if (soft === undefined || Number(soft) >= LEAST) return;
  throw new LimitError(`a process may open ${soft} files here, wiac needs ${LEAST}`, {
    hint: 'allow more: ulimit -n 1024',
  });
}
