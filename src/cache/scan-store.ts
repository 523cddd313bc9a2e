/** Fingerprints and tree nodes in the index, for context/scan.ts. */
import type { Hash64 } from '../context/fingerprint.js';
import type { ScanStore } from '../context/scan.js';
import type { CacheIndex } from './index-db.js';

/** lmdb limits keys to 1,978 bytes; a longer path is kept under its hash. */
const MAX_KEY_BYTES = 1900;

function directoryKey(hash64: Hash64, scope: string, path: string): string {
  const key = `${scope}\0${path}`;
  if (Buffer.byteLength(key) <= MAX_KEY_BYTES) return key;
  return `${key.slice(0, 64)}\0${hash64(Buffer.from(key)).toString(36)}`;
}

/** A ScanStore that writes in the background; `flush` waits until everything is committed. */
export interface IndexScanStore extends ScanStore {
  readonly flush: () => Promise<void>;
}

/**
 * The index as a ScanStore. Writes are collected and committed together; an entry that refers to
 * a tree must be published after a flush.
 */
export function indexScanStore(index: CacheIndex, hash64: Hash64): IndexScanStore {
  let pending: Promise<unknown> = Promise.resolve();
  // What is not committed yet must be found all the same.
  const fresh = new Map<string, string>();
  return {
    hash64,
    getDirectory: (scope, path) => index.directories.get(directoryKey(hash64, scope, path)),
    getEntries: (scope, path) => index.entries.get(directoryKey(hash64, scope, path)),
    putDirectory: (scope, path, record, entries) => {
      const key = directoryKey(hash64, scope, path);
      index.directories.put(key, record);
      pending = index.entries.put(key, entries);
    },
    readTree: (digest) => fresh.get(digest) ?? index.trees.get(digest),
    writeTree: (digest, text) => {
      fresh.set(digest, text);
      pending = index.trees.put(digest, text);
    },
    flush: async () => {
      await pending;
    },
  };
}
