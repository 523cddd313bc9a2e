/** The list of a snapshot's files as bytes. A row is an array, because there are many of them. */
import { gzipSync } from 'node:zlib';
import type { ByteString } from '../../util/byte-string.js';
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

/** The entry of a row that was checked, or that encodeEntry has made. */
export function decodeEntry(row: Row): SnapshotEntry {
  const [kind, path] = row as [string, ByteString];
  if (kind === 'h') return { type: 'link', path, target: row[2] as ByteString };
  const [, , uid, gid, seconds, nanoseconds] = row as [
    string,
    string,
    number,
    number,
    number,
    number,
  ];
  const mtime = { seconds, nanoseconds };
  if (kind === 'l') return { type: 'symlink', path, uid, gid, mtime, target: row[6] as ByteString };
  const mode = row[6] as number;
  if (kind === 'd') return { type: 'directory', path, mode, uid, gid, mtime };
  const [used, digest, pack, offset, size] = row.slice(7) as [
    number,
    string,
    number,
    number,
    number,
  ];
  return { type: 'file', path, mode, uid, gid, mtime, used, digest, place: { pack, offset, size } };
}

/** All rows as JSON. */
export function encodeRows(entries: readonly SnapshotEntry[]): string {
  return JSON.stringify(entries.map(encodeEntry));
}

/** The list as JSON, compressed. @param rows of encodeRows */
export function encodeFiles(rows: string): Buffer {
  return gzipSync(`{"version":${SNAPSHOT_VERSION},"files":${rows}}`, { level: LEVEL });
}
