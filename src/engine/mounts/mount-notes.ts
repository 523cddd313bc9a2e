/**
 * What this store remembers of a cache mount's last snapshot: the list of its files in parts, and which
 * files of this machine have not changed since. It spares reading them, asking the shared cache for the
 * list, and making the parts of directories in which nothing has changed. Nothing depends on it: without
 * it all files are read.
 */
import { crc32 } from 'node:zlib';
import { decodeMember } from '../../shared-cache/mounts/encode-snapshot.js';
import type { Pack, Snapshot, SnapshotEntry } from '../../shared-cache/mounts/snapshot.js';
import { readNotesFile, writeNotesFile } from '../../store/pins/notes-file.js';
import type { Store } from '../../store/store.js';
import type { ByteString } from '../../util/byte-string.js';
import { clockStep } from '../../util/clock-step.js';
import type { RowTable } from './row-table.js';
import { DIGEST_BYTES, FIELDS } from './row-table.js';

/** Version of the file; others are ignored. */
const VERSION = 3;

/** The rows of one directory. */
export interface NotedGroup {
  /** Relative to the mount. */
  readonly path: ByteString;
  /** As in ScannedGroup, when its files had the contents that the rows say; null when that is not known. */
  readonly seen: string | null;
  readonly rows: number;
}

/** A part of the list: the rows of directories that follow each other, at least one row. */
export interface NotedMember {
  readonly groups: number;
  /** As encodeMember made it. */
  readonly bytes: Buffer;
}

/** A list of files, by its parts, its directories and its rows. */
export interface NotedList {
  readonly members: readonly NotedMember[];
  readonly groups: readonly NotedGroup[];
  readonly table: RowTable;
}

/** A snapshot, and the files of this machine that it was taken of or restored to. */
export interface MountNotes extends NotedList {
  /** Digest of the list of files that the shared cache has. */
  readonly id: string;
  readonly packs: readonly Pack[];
}

interface Header {
  readonly version: number;
  readonly id: string;
  readonly packs: readonly Pack[];
  readonly groups: readonly (readonly [path: ByteString, seen: string | null, rows: number])[];
  readonly members: readonly (readonly [groups: number, bytes: number])[];
}

/**
 * Who writes through a mapping (mmap(2)) changes the time with the first write to a page, and again only when the
 * page has gone to the disk, which takes half a minute by default. ms.
 */
const MAPPED_MS = 120_000;

/**
 * What was changed before is worth noting, if isSettled agrees: it will have another time of change when it is changed
 * again.
 * @param seenAt when it was looked at: ms since the epoch
 * @param isInUse other processes may be writing to it
 * @returns ms since the epoch
 */
export function settledTime(seenAt: number, isInUse = false): number {
  return seenAt - (isInUse ? MAPPED_MS : 0);
}

/** Was a file changed so long before that another change has another time? @param settledAt see settledTime */
export function isSettled(ctimeMs: number, settledAt: number): boolean {
  return ctimeMs < settledAt - clockStep(ctimeMs);
}

/** Before all else: the sum of what follows, and the bytes of the header. */
const SUM_BYTES = 4;
const LENGTH_BYTES = 4;

/** @throws when it is cut off, or is no such file */
function parseNotes(file: Buffer): MountNotes | undefined {
  // Parts go into the next list as they are: what a disk has damaged must not.
  if (file.readUInt32LE() !== crc32(file.subarray(SUM_BYTES))) return undefined;
  let at = SUM_BYTES + LENGTH_BYTES;
  const take = (bytes: number) => {
    if (at + bytes > file.length) throw new RangeError('cut off');
    at += bytes;
    return file.subarray(at - bytes, at);
  };
  const header = JSON.parse(take(file.readUInt32LE(SUM_BYTES)).toString()) as Header;
  if (header.version !== VERSION) return undefined;
  const groups = header.groups.map(([path, seen, rows]) => ({ path, seen, rows }));
  const members = header.members.map(([count, bytes]) => ({ groups: count, bytes: take(bytes) }));
  const rows = groups.reduce((sum, group) => sum + group.rows, 0);
  const numbers = new Float64Array(rows * FIELDS);
  new Uint8Array(numbers.buffer).set(take(numbers.byteLength));
  const table = { numbers, digests: take(rows * DIGEST_BYTES) };
  return { id: header.id, packs: header.packs, groups, members, table };
}

/** @returns undefined when there are none, or none that can be read */
export function readNotes(store: Store, name: string): MountNotes | undefined {
  const file = readNotesFile(store, 'mountNotes', name);
  if (file === undefined) return undefined;
  try {
    return parseNotes(file);
  } catch {
    // A file that was cut off by a full disk, say.
    return undefined;
  }
}

/** Replaces what was noted before. @throws the file system's errors */
export function writeNotes(store: Store, name: string, notes: MountNotes): void {
  const { id, packs, groups, members, table } = notes;
  const header: Header = {
    version: VERSION,
    id,
    packs,
    groups: groups.map(({ path, seen, rows }) => [path, seen, rows]),
    members: members.map(({ groups: count, bytes }) => [count, bytes.length]),
  };
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(text.length);
  const { numbers, digests } = table;
  const content = Buffer.concat([
    length,
    text,
    ...members.map(({ bytes }) => bytes),
    Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength),
    digests,
  ]);
  const sum = Buffer.alloc(SUM_BYTES);
  sum.writeUInt32LE(crc32(content));
  writeNotesFile(store, 'mountNotes', name, Buffer.concat([sum, content]));
}

/** The snapshot that is noted. */
export function notedSnapshot({ packs, members }: MountNotes): Snapshot {
  return { packs, entries: members.flatMap(({ bytes }) => decodeMember(bytes)) };
}

/** So many entries ahead are looked at before a table of all of them is made. */
const AHEAD = 16;

/**
 * Finds entries by their path. They are asked for in their own order, with few that are new or
 * gone: mostly it is the next one, and no table is needed, which costs as much as reading the notes.
 * @returns a function that gives the place of an entry; -1 when there is none
 */
export function entryFinder(entries: readonly SnapshotEntry[]): (path: ByteString) => number {
  let next = 0;
  let table: Map<ByteString, number> | undefined;
  return (path) => {
    for (let at = next; at < entries.length && at < next + AHEAD; at += 1) {
      if (entries[at]?.path !== path) continue;
      next = at + 1;
      return at;
    }
    table ??= new Map(entries.map((entry, at) => [entry.path, at]));
    const found = table.get(path) ?? -1;
    if (found >= 0) next = found + 1;
    return found;
  };
}
