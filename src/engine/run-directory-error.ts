/** What the file system says where a program is run: in $TMPDIR, or where its container layer is. */
import { dirname } from 'node:path';
import { NoSpaceError, UsageError, WiacError } from '../util/errors.js';
import { saysFull } from '../util/no-space.js';
import { asLimitError } from '../util/open-files.js';

/** $TMPDIR can't be used. @returns the error itself when it is none of the file system */
export function asTemporaryError(error: unknown, temporary: string): unknown {
  if (error instanceof WiacError) return error;
  const { code, message, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return error;
  if (saysFull(error))
    return new NoSpaceError(`no space left in ${temporary} for short-lived files: ${message}`, {
      hint: 'free some space there, or set TMPDIR to another directory',
      cause: error,
    });
  const problem = `${temporary} can't be used for short-lived files: ${message}`;
  return (
    asLimitError(error) ??
    new UsageError(problem, {
      hint: 'set TMPDIR to a directory that is there and that you may write to',
      cause: error,
    })
  );
}

/** The same for all that happens while a program is run. @param scratch its directory in $TMPDIR */
export function asRunError(error: unknown, scratch: string): unknown {
  const { path, dest, message } = error as NodeJS.ErrnoException & { readonly dest?: string };
  if ([path, dest].some((place) => place?.startsWith(`${scratch}/`)))
    return asTemporaryError(error, dirname(scratch));
  if (error instanceof WiacError || !saysFull(error)) return error;
  return new NoSpaceError(message, { hint: 'free some space there', cause: error });
}
