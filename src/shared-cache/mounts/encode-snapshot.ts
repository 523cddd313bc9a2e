/** The list of a snapshot's files as bytes. A row is an array, because there are many of them. */
import { gunzipSync, gzipSync } from 'node:zlib';
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

/**
 * A part of the list of files: its rows, compressed by themselves. The next list has the part as it is,
 * unless one of its rows is another one.
 */
export function encodeMember(entries: readonly SnapshotEntry[]): Buffer {
  const rows = JSON.stringify(entries.map(encodeEntry));
  return gzipSync(rows.slice(1, -1), { level: LEVEL });
}

/** The rows of a part that encodeMember has made. */
export function decodeMember(member: Uint8Array): SnapshotEntry[] {
  const rows = JSON.parse(`[${gunzipSync(member)}]`) as Row[];
  return rows.map(decodeEntry);
}

const gzipText = (text: string) => gzipSync(text, { level: LEVEL });

/**
 * The list of files as it is sent: JSON, of which each part is a member of its own (RFC 1952, section 2.2).
 * @param members parts of at least one row, in their order
 */
export function encodeFiles(members: readonly Buffer[]): Buffer {
  const comma = gzipText(',');
  const between = members.flatMap((member, at) => (at === 0 ? [member] : [comma, member]));
  return Buffer.concat([
    gzipText(`{"version":${SNAPSHOT_VERSION},"files":[`),
    ...between,
    gzipText(']}'),
  ]);
}
