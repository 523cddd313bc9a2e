/** The list of a snapshot's files as bytes. A row is an array, because there are many of them. */
import { gzipSync } from 'node:zlib';
import type { SnapshotEntry } from './snapshot.js';
import { SNAPSHOT_VERSION } from './snapshot.js';

/** A row, as cache-format.md has it. */
export type Row = readonly (string | number)[];

/** Level 1: digests, which are most of it, get no smaller with a higher one. */
const LEVEL = 1;

/** The row of an entry. */
export function encodeEntry(entry: SnapshotEntry): Row {
  const { type, path } = entry;
  if (type === 'link') return ['h', path, entry.target];
  const { uid, gid, mtime } = entry;
  const common = [uid, gid, mtime.seconds, mtime.nanoseconds];
  if (type === 'symlink') return ['l', path, ...common, entry.target];
  if (type === 'directory') return ['d', path, ...common, entry.mode];
  const { mode, used, digest, place } = entry;
  return ['f', path, ...common, mode, used, digest, place.pack, place.offset, place.size];
}

/** The list as JSON, compressed. */
export function encodeFiles(entries: readonly SnapshotEntry[]): Buffer {
  const list = { version: SNAPSHOT_VERSION, files: entries.map(encodeEntry) };
  return gzipSync(JSON.stringify(list), { level: LEVEL });
}
