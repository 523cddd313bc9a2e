/** Opens the store: makes its folders, checks its format version, opens the index. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { NoSpaceError, StoreError } from '../errors.js';
import type { CacheIndex } from './index-db.js';
import { openIndex } from './index-db.js';
import type { StorePaths } from './paths.js';
import { storePaths } from './paths.js';

/** Version of cache-format.md that this code reads and writes. */
export const FORMAT_VERSION = 1;

/** An open store. */
export interface Store {
  readonly paths: StorePaths;
  readonly index: CacheIndex;
}

function readVersion(path: string): number | undefined {
  try {
    return Number(readFileSync(path, 'utf8').trim());
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function initialise(paths: StorePaths): void {
  // Layers hold other people's files with their owners and setuid bits: nobody else looks inside.
  for (const path of [paths.index, paths.layers, paths.links, paths.tmp, paths.mounts]) {
    mkdirSync(path, {
      recursive: true,
      mode: path === paths.tmp || path === paths.mounts ? 0o700 : 0o755,
    });
  }
  writeFileSync(paths.version, `${FORMAT_VERSION}\n`);
}

/**
 * Opens a store and makes it if it is not there.
 * @throws StoreError when its format is newer or it can't be written; NoSpaceError
 */
export function openStore(root: string): Store {
  const paths = storePaths(root);
  try {
    const version = readVersion(paths.version);
    if (version === undefined) initialise(paths);
    else if (version !== FORMAT_VERSION) {
      throw new StoreError(
        `the store ${root} has format version ${version}, this wiac knows version ${FORMAT_VERSION}`,
        { hint: 'use the wiac that made it, or another store: set WIAC_ROOT' },
      );
    }
    return { paths, index: openIndex(paths.index, false) };
  } catch (error) {
    if (error instanceof StoreError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC') throw new NoSpaceError(`no space left for the store ${root}`);
    throw new StoreError(`the store ${root} can't be opened: ${message}`, {
      hint: 'check its owner and mode, or use another store: set WIAC_ROOT',
      cause: error,
    });
  }
}

/** Closes the index; whatever was written is committed before. */
export async function closeStore(store: Store): Promise<void> {
  await store.index.environment.close();
}
