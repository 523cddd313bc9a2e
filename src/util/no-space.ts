/** Errors of files that say that there is no room, with what mends it. */
import type { LimitError } from './errors.js';
import { NoSpaceError } from './errors.js';
import { asLimitError } from './open-files.js';
import { printable } from './printable.js';

/** Node's names, and the number that lmdb gives. */
const FULL = new Set<unknown>(['ENOSPC', 'EDQUOT', 28]);

/** Does an error say that there is no room, as it was thrown or as a typed one? */
export function saysFull(error: unknown): boolean {
  return error instanceof NoSpaceError || FULL.has((error as { code?: unknown } | null)?.code);
}

/**
 * @param doing what was done: "no space left while ..."
 * @returns undefined for another error
 */
export function asNoSpaceError(
  error: unknown,
  doing: string,
): NoSpaceError | LimitError | undefined {
  const { code, syscall, path = '' } = error as NodeJS.ErrnoException;
  if (code === 'EFBIG') return asLimitError(error);
  if (!FULL.has(code)) return undefined;
  // ext4 says the same of a full disk and of attributes that are larger than its block for them.
  if (code === 'ENOSPC' && syscall === 'setxattr')
    return new NoSpaceError(`no space left for the extended attributes of ${printable(path)}`, {
      hint: 'ext4 keeps 4 KB of them for a file unless it was made with -O ea_inode, XFS and btrfs keep more: set WIAC_ROOT, or free some space if the disk is full',
      cause: error,
    });
  return new NoSpaceError(doing, {
    hint: 'free some space (wiac cache du shows what the cache holds), or set WIAC_ROOT',
    cause: error,
  });
}
