/** Fingerprints and tree nodes in the index, for context/scan.ts. */

import type { DirectoryRecord, EntryFingerprints, Hash64 } from '../../fs/scan/fingerprint.js';
import type { ScanStore } from '../../fs/scan/scan.js';
import type { TreeDigest } from '../../keys/digest.js';
import { checkpoint } from '../../util/checkpoint.js';
import type { Indexed } from '../index/tables.js';
import { getTables } from '../index/tables.js';
import { write } from '../index/transaction.js';

/** lmdb limits keys to 1,978 bytes; a longer path is kept under its hash. */
const MAX_KEY_BYTES = 1900;

function directoryKey(hash64: Hash64, scope: string, path: string): string {
  const key = `${scope}\0${path}`;
  if (Buffer.byteLength(key) <= MAX_KEY_BYTES) return key;
  return `${key.slice(0, 64)}\0${hash64(Buffer.from(key)).toString(36)}`;
}

/** What waits to be written to the index. */
export interface Unwritten {
  /** Writes it. Part of the caller's write transaction. */
  readonly put: () => void;
  /** It is in the index: the transaction was committed. */
  readonly written: () => void;
}

/** A ScanStore that collects writes. */
export interface IndexScanStore extends ScanStore {
  /** Everything since it was written last; undefined: nothing. */
  readonly unwritten: () => Unwritten | undefined;
  /** Writes it in a transaction of its own. @throws lmdb's error, out of space say */
  readonly flush: () => void;
}

/**
 * The index as a ScanStore. A tree must be written with the entry that refers to it, or before;
 * fingerprints only save time, so that losing them with a crash costs nothing else.
 */
export function indexScanStore(store: Indexed, hash64: Hash64): IndexScanStore {
  const index = getTables(store);
  // Reads must find rows that are not committed yet.
  const trees = new Map<TreeDigest, string>();
  const directories = new Map<string, readonly [DirectoryRecord, EntryFingerprints]>();
  const unwritten = (): Unwritten | undefined => {
    if (trees.size === 0 && directories.size === 0) return undefined;
    return {
      put: () => {
        for (const [digest, text] of trees) index.trees.putSync(digest, text);
        for (const [key, [record, entries]] of directories) {
          index.directories.putSync(key, record);
          index.entries.putSync(key, entries);
        }
      },
      written: () => {
        checkpoint('trees:written');
        trees.clear();
        directories.clear();
      },
    };
  };
  return {
    hash64,
    getDirectory: (scope, path) => {
      const key = directoryKey(hash64, scope, path);
      return directories.get(key)?.[0] ?? index.directories.get(key);
    },
    getEntries: (scope, path) => {
      const key = directoryKey(hash64, scope, path);
      return directories.get(key)?.[1] ?? index.entries.get(key);
    },
    putDirectory: (scope, path, record, entries) => {
      directories.set(directoryKey(hash64, scope, path), [record, entries]);
    },
    readTree: (digest) => trees.get(digest) ?? index.trees.get(digest),
    writeTree: (digest, text) => {
      trees.set(digest, text);
    },
    unwritten,
    flush: () => {
      const all = unwritten();
      if (!all) return;
      write(index, all.put);
      all.written();
    },
  };
}
