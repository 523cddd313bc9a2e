/**
 * Fingerprints: what lstat says of a file, hashed. They only tell "certainly the same as before"
 * from "must be read again", so that the fast, not collision-resistant xxhash64 is enough; git's
 * index does the same with plain stat data (git documentation, racy-git).
 */
import type { TreeDigest } from '../../keys/digest.js';
import { clockStep } from '../../util/clock-step.js';
import type { FileStats } from './file-stats.js';
import type { ScannedDirectory } from './listing.js';
import { FINGERPRINT_FIELDS } from './stat-names.js';

/** xxhash64 of bytes. */
export type Hash64 = (bytes: Uint8Array) => bigint;

/** Facts about a directory from the last scan. */
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

/** Fingerprint of a whole directory: one hash over all entries. */
export function fingerprintDirectory(directory: ScannedDirectory, hash64: Hash64): string {
  const { fields, nameBytes } = directory;
  const numbers = new Uint8Array(fields.buffer, fields.byteOffset, fields.byteLength);
  return `${hash64(numbers).toString(36)}.${hash64(nameBytes).toString(36)}`;
}

const FINGERPRINT_BYTES = FINGERPRINT_FIELDS * Float64Array.BYTES_PER_ELEMENT;

/** Fingerprint of a single entry. @param fields of a listing @param index its place there */
export function fingerprintAt(fields: Float64Array, index: number, hash64: Hash64): string {
  const start = fields.byteOffset + index * FINGERPRINT_BYTES;
  return hash64(new Uint8Array(fields.buffer, start, FINGERPRINT_BYTES)).toString(36);
}

/**
 * Was the file changed so shortly before it was looked at that another change could have left the
 * same timestamps? Such a file is read again the next time (git: "racily clean").
 * @param seenAt when the scan began, milliseconds since the epoch
 */
export function isRacy(stats: FileStats, seenAt: number): boolean {
  const trusted = seenAt - clockStep(stats.ctimeMs);
  return stats.ctimeMs > trusted || (stats.kind !== 'dir' && stats.mtimeMs > trusted);
}
