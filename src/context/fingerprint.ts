/**
 * Fingerprints: what lstat says of a file, hashed. They only tell "certainly the same as before"
 * from "must be read again", so that the fast, not collision-resistant xxhash64 is enough; git's
 * index does the same with plain stat data (git documentation, racy-git).
 */
import type { TreeDigest } from '../keys/digest.js';
import type { FileStats } from './file-stats.js';
import type { ScannedDirectory } from './scan.js';

/** xxhash64 of bytes. */
export type Hash64 = (bytes: Uint8Array) => bigint;

/** What is kept of a directory from the last scan. */
export interface DirectoryRecord {
  /** Fingerprint of all entries together, their names included. */
  readonly all: string;
  /** False when an entry was too young to be trusted; see isRacy. */
  readonly clean: boolean;
  readonly tree: TreeDigest;
}

/** Fingerprints of single entries by name; those too young to be trusted are left out. */
export type EntryFingerprints = Readonly<Record<string, string>>;

/** Where records are kept; `scope` names the tree, `path` the directory in it. */
export interface FingerprintStore {
  readonly hash64: Hash64;
  getDirectory(scope: string, path: string): DirectoryRecord | undefined;
  getEntries(scope: string, path: string): EntryFingerprints | undefined;
  putDirectory(
    scope: string,
    path: string,
    record: DirectoryRecord,
    entries: EntryFingerprints,
  ): void;
}

const FIELDS = 8;

function writeStats(numbers: Float64Array, at: number, stats: FileStats): void {
  // The Ms values are doubles of sub-microsecond resolution: finer than the kernel's clock tick.
  numbers[at] = stats.mode;
  numbers[at + 1] = stats.ino;
  numbers[at + 2] = stats.dev;
  numbers[at + 3] = stats.ctimeMs;
  // A directory's size and mtime tell of its entries, which are looked at one by one anyway.
  const isDirectory = stats.kind === 'dir';
  numbers[at + 4] = isDirectory ? 0 : stats.size;
  numbers[at + 5] = isDirectory ? 0 : stats.mtimeMs;
  numbers[at + 6] = stats.uid;
  numbers[at + 7] = stats.gid;
}

/** Fingerprint of a whole directory: one hash over all entries. */
export function fingerprintDirectory(directory: ScannedDirectory, hash64: Hash64): string {
  const { children } = directory;
  const numbers = new Float64Array(children.length * FIELDS);
  let names = '';
  for (const [index, child] of children.entries()) {
    writeStats(numbers, index * FIELDS, child.stats);
    names += `${child.name}\0`;
  }
  const statHash = hash64(new Uint8Array(numbers.buffer));
  return `${statHash.toString(36)}.${hash64(Buffer.from(names)).toString(36)}`;
}

/** Fingerprint of a single entry. */
export function fingerprintEntry(stats: FileStats, hash64: Hash64): string {
  const numbers = new Float64Array(FIELDS);
  writeStats(numbers, 0, stats);
  return hash64(new Uint8Array(numbers.buffer)).toString(36);
}

/**
 * Timestamps move in steps of a clock tick (up to 10 ms) and, on some file systems, of up to two
 * seconds (FAT); a file changed within one step after it was read keeps its fingerprint.
 */
const CLOCK_STEP_MS = 50;

/**
 * Was the file changed so shortly before it was looked at that another change could have left the
 * same timestamps? Such a file is read again the next time (git: "racily clean").
 * @param seenAt when the scan began, milliseconds since the epoch
 */
export function isRacy(stats: FileStats, seenAt: number): boolean {
  return (
    stats.ctimeMs > seenAt - CLOCK_STEP_MS ||
    (stats.kind !== 'dir' && stats.mtimeMs > seenAt - CLOCK_STEP_MS)
  );
}
