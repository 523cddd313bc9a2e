/** A directory that is given as a store may hold something else by the same names: tmp/, layers/, index/. */
import { existsSync, readdirSync } from 'node:fs';
import { StoreError } from '../util/errors.js';
import { type StoreDirectories, storeParts } from './paths.js';

function isFilled(path: string): boolean {
  try {
    return readdirSync(path).length > 0;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOTDIR';
  }
}

/**
 * Makes sure that a store which is going to be made takes nobody's files for garbage of its own.
 * @throws StoreError
 */
export function requireOwnParts(paths: StoreDirectories): void {
  if (existsSync(paths.version)) return;
  const filled = storeParts(paths).find(isFilled);
  // It is the first that a new store gets: then somebody is making one, or was killed meanwhile.
  if (filled === undefined || existsSync(paths.freeFifos)) return;
  throw new StoreError(
    `${paths.root} is no store, and can't become one: ${filled} would be a part of it, but is not wiac's`,
    { hint: 'set WIAC_ROOT to another directory, for example a new one in there' },
  );
}
