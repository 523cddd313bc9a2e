/** How many files a process may have open (RLIMIT_NOFILE), how large they may be (RLIMIT_FSIZE), and the errors; those of processes too. */
import { readFileSync } from 'node:fs';
import { LimitError } from './errors.js';

/** Node has about twenty open when it starts, a step needs a dozen for its pipes and layers. */
const LEAST = 64;

/** Node's names, and the numbers that lmdb gives. */
const CODES = new Set<unknown>(['EMFILE', 'ENFILE', 24, 23]);

/** V8's words. It reserves gigabytes of addresses for each WebAssembly module, used or not. */
const NO_ADDRESSES = /^WebAssembly\..*Out of memory/;

/** What to do where no process can be started. */
export const MORE_PROCESSES =
  'allow more processes (ulimit -u; pids.max of the control group), or build with fewer steps at a time (--jobs 1)';

/** "Too many open files", a file that may not grow, too many processes, and too few addresses, as a typed error; undefined for others. */
export function asLimitError(error: unknown): LimitError | undefined {
  if (error instanceof RangeError && NO_ADDRESSES.test(error.message)) {
    return new LimitError('this process may not reserve as much virtual memory as Node needs', {
      hint: 'allow more: ulimit -v unlimited',
      cause: error,
    });
  }
  const { code, syscall } = (error ?? {}) as { code?: unknown; syscall?: unknown };
  if (code === 'EAGAIN' && typeof syscall === 'string' && syscall.startsWith('spawn')) {
    return new LimitError(`no process could be started: ${(error as Error).message}`, {
      hint: MORE_PROCESSES,
      cause: error,
    });
  }
  if (code === 'EFBIG') {
    return new LimitError(`a file may not be so large here: ${(error as Error).message}`, {
      hint: 'allow more (ulimit -f unlimited); the file system may have a limit of its own',
      cause: error,
    });
  }
  if (!CODES.has(code)) return undefined;
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

/** Bytes: twice as many as the file of locks has. */
const LEAST_FILE_SIZE = 1 << 16;

/** lmdb does not ask whether its file of locks got its size, and crashes. @throws LimitError */
export function requireFileSize(): void {
  const [, soft] = /^Max file size +(\d+)/m.exec(readLimits()) ?? [];
  if (soft === undefined || Number(soft) >= LEAST_FILE_SIZE) return;
  throw new LimitError(
    `files that a process writes may have ${soft} bytes here, wiac needs ${LEAST_FILE_SIZE}`,
    { hint: 'allow more: ulimit -f unlimited' },
  );
}
