/** Opens the store: makes its folders, checks its format version, opens the index. */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { NoSpaceError, StoreError, WiacError } from '../errors.js';
import type { CacheIndex } from './index-db.js';
import { openIndex } from './index-db.js';
import type { StorePaths } from './paths.js';
import { storePaths } from './paths.js';

/** Version of cache-format.md that this code reads and writes. */
export const FORMAT_VERSION = 2;

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

/** lmdb's data file has this number in its first page, behind the page's header of 24 bytes. */
const LMDB_MAGIC = 0xbeefc0de;
const LMDB_MAGIC_OFFSET = 24;

/** lmdb maps the file and trusts it: a file that is something else would crash the process. */
function checkIndexFile(index: string): void {
  const file = join(index, 'data.mdb');
  if (!existsSync(file)) return;
  const start = Buffer.alloc(LMDB_MAGIC_OFFSET + 4);
  const descriptor = openSync(file, 'r');
  try {
    if (readSync(descriptor, start, 0, start.length, 0) === 0) return;
  } finally {
    closeSync(descriptor);
  }
  if (start.readUInt32LE(LMDB_MAGIC_OFFSET) === LMDB_MAGIC) return;
  throw new StoreError(`the index of the store is damaged: ${file} is no lmdb database`, {
    hint: 'remove the store and build again, or restore it from a backup',
  });
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
    checkIndexFile(paths.index);
    return { paths, index: openIndex(paths.index, false) };
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
