/** What the file system refuses, as an error of the build context or stage that names the file. */
import type { SourceLocation } from '../../util/errors.js';
import { ContextError } from '../../util/errors.js';
import type { FileSource } from './file-source.js';

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  ELOOP: 'too many symbolic links',
  ENAMETOOLONG: 'its name is too long',
  ENOTDIR: 'it is no directory',
  ENOENT: 'it is not there any more',
  EIO: 'the disk gives an error',
  ESTALE: 'the file server does not know it any more',
};

function nameOf(source: FileSource, path: string): string {
  return path === '' ? source.title : `${path} in ${source.title}`;
}

/** @returns the error itself when it is none of a single file */
export function unreadable(error: unknown, source: FileSource, path: string): unknown {
  const { code = '', syscall } = error as NodeJS.ErrnoException;
  const reason = REASONS[code];
  if (syscall === undefined || reason === undefined) return error;
  return new ContextError(`${nameOf(source, path)} can't be read: ${reason}`, undefined, {
    hint: 'change its permissions, or exclude it in .dockerignore',
    cause: error,
  });
}

/** A directory that was asked for by its name, and that another process removed while it was read. */
export function removedMeanwhile(source: FileSource, path: string): ContextError {
  return new ContextError(`${nameOf(source, path)} was removed while it was read`, undefined, {
    hint: 'build again when nothing writes there',
  });
}

/** Adds the instruction to an error of the context that does not know it. */
export function located(error: unknown, location: SourceLocation): unknown {
  if (!(error instanceof ContextError) || error.location !== undefined) return error;
  return new ContextError(error.message, location, { hint: error.hint, cause: error.cause });
}
