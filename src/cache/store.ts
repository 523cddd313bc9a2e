/** Opens the store: makes its folders, checks its format version, opens the index. */
import { readFileSync } from 'node:fs';
import { NoSpaceError, StoreError, WiacError } from '../errors.js';
import type { ExpansionLimits } from '../tar/expansion-limit.js';
import { DEFAULT_LIMITS } from '../tar/expansion-limit.js';
import { createStore } from './create-store.js';
import type { SyncMode } from './durability.js';
import type { CacheIndex } from './index-db.js';
import { openIndex } from './index-db.js';
import { checkIndexFile } from './index-file.js';
import type { StorePaths } from './paths.js';
import { storePaths } from './paths.js';
import type { LostWork } from './recovery.js';
import { recoverStore } from './recovery.js';

/** Version of cache-format.md that this code reads and writes. */
export const FORMAT_VERSION = 2;

/** An open store. */
export interface Store {
  readonly paths: StorePaths;
  readonly index: CacheIndex;
  readonly sync: SyncMode;
  /** What is accepted of layers and archives that come from elsewhere. */
  readonly limits: ExpansionLimits;
  /** What had to be dropped, because the machine went down before it was on disk. */
  readonly lost: LostWork | undefined;
}

function readVersion(path: string): number | undefined {
  try {
    return Number(readFileSync(path, 'utf8').trim());
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** lmdb gives the number of the error where Node gives its name. */
const ENOSPC_NUMBER = 28;

/** "No space left" from the file system or from lmdb as a typed error; others as they are. */
export function asStoreError(root: string, error: unknown): unknown {
  const code: unknown = (error as { code?: unknown }).code;
  if (code !== 'ENOSPC' && code !== ENOSPC_NUMBER && code !== 'EDQUOT') return error;
  return new NoSpaceError(`no space left in the store ${root}`, {
    hint: 'free some space (wiac cache du shows what the cache holds), or set WIAC_ROOT',
    cause: error,
  });
}

/**
 * Opens a store and makes it if it is not there.
 * @throws StoreError when its format is newer or it can't be written; NoSpaceError
 */
export async function openStore(
  root: string,
  sync: SyncMode = 'batch',
  limits: ExpansionLimits = DEFAULT_LIMITS,
): Promise<Store> {
  const paths = storePaths(root);
  try {
    const version = readVersion(paths.version);
    if (version === undefined) await createStore(paths, `${FORMAT_VERSION}\n`);
    else if (version !== FORMAT_VERSION) {
      throw new StoreError(
        `the store ${root} has format version ${version}, this wiac knows version ${FORMAT_VERSION}`,
        {
          hint:
            version < FORMAT_VERSION
              ? `its cache is of no use to this wiac: remove it (rm -r ${root}), or set WIAC_ROOT to another place`
              : 'use the wiac that made it, or another store: set WIAC_ROOT',
        },
      );
    }
    await checkIndexFile(paths.index);
    const index = openIndex(paths.index, false);
    return { paths, index, sync, limits, lost: recoverStore(index, paths) };
  } catch (error) {
    const typed = asStoreError(root, error);
    if (typed instanceof WiacError) throw typed;
    throw new StoreError(`the store ${root} can't be opened: ${(error as Error).message}`, {
      hint: 'check its owner and mode, or use another store: set WIAC_ROOT',
      cause: error,
    });
  }
}

/** Closes the index; whatever was written is committed before. */
export async function closeStore(store: Store): Promise<void> {
  await store.index.environment.close();
}
