/** Paths that people write, which may be of any form. */
import type { Stats } from 'node:fs';
import { statSync } from 'node:fs';
import { UsageError } from './errors.js';

/** What the kernel says where nothing can be: below a file, of links in a circle, of a name that is too long. */
const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG']);

/** Does the error say that there is nothing at a path? */
export function isAbsent(error: unknown): boolean {
  return ABSENT.has((error as NodeJS.ErrnoException).code ?? '');
}

/**
 * What is at a path; undefined where nothing is.
 * @throws UsageError where this user may not look
 */
export function statNamed(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
    throw new UsageError(`${path} can't be read: permission denied`, {
      cause: error,
      hint: 'this user may not enter a directory above it',
    });
  }
}
