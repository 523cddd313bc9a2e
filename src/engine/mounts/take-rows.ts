/** What a snapshot says of files of a cache mount: those that changed are read, the others are as they were. */
import type {
  FoundDirectory,
  FoundFile,
  FoundSymlink,
  MountEntry,
  ScannedGroup,
} from '../../fs/mounts/scan-mount.js';
import { lastUse } from '../../shared-cache/mounts/choose-files.js';
import { fromDay, toDay } from '../../shared-cache/mounts/compact-packs.js';
import type { SnapshotEntry, SnapshotFile } from '../../shared-cache/mounts/snapshot.js';
import type { ByteString } from '../../util/byte-string.js';
import type { ContentReader } from './content-reader.js';
import type { DirectoryRows } from './list-parts.js';
import { isSettled } from './mount-notes.js';
import type { NotedFile } from './row-table.js';

/** Something in a mount, and the row that it had in the last snapshot if it has not changed since. */
export interface SurveyedEntry {
  readonly entry: MountEntry;
  readonly unchanged: SnapshotFile | undefined;
}

/** The row of an entry. */
export interface TakenRow {
  readonly row: SnapshotEntry;
  /** The file of this machine that has this content; undefined where nobody can tell. */
  readonly file: NotedFile | undefined;
  /** Is it still what was found when the mount was surveyed? */
  readonly isAsFound: boolean;
}

/**
 * What is written while a mount is looked at is no time that a program has set. Minutes, as large mounts take:
 * it would count as never used. ms
 */
const WHILE_LOOKING_MS = 60 * 60 * 1000;

/** When a file was used last: ms since the epoch. @param seenAt began to look at the mount: ms since the epoch */
export function fileUse(
  { atimeMs, mtimeMs, ctimeMs }: FoundFile,
  unchanged: SnapshotFile | undefined,
  seenAt: number,
): number {
  const before = unchanged && fromDay(unchanged.used);
  return lastUse({ atimeMs, mtimeMs, ctimeMs, before, now: seenAt + WHILE_LOOKING_MS });
}

/** The first name of each file: the others are links to it. */
function firstNames(entries: readonly SurveyedEntry[]): ReadonlyMap<string, ByteString> {
  const names = new Map<string, ByteString>();
  for (const { entry } of entries)
    if (entry.type === 'file' && entry.inode !== undefined && !names.has(entry.inode))
      names.set(entry.inode, entry.path);
  return names;
}

/** How rows are taken. */
export interface TakingRows {
  readonly reader: ContentReader;
  /** When the mount was surveyed: ms since the epoch. */
  readonly seenAt: number;
  /** As in SurveyedMount. */
  readonly settledAt: number;
  /** Are the rows of unchanged files those of the snapshot that is built on, with its packs? */
  readonly arePlaced: boolean;
}

async function takeFile(
  found: FoundFile,
  unchanged: SnapshotFile | undefined,
  { reader, seenAt, settledAt, arePlaced }: TakingRows,
): Promise<TakenRow | undefined> {
  const used = toDay(fileUse(found, unchanged, seenAt));
  const { digest: before = '', place } = unchanged ?? {};
  const known = place && reader.placeOf(before, place.size, arePlaced ? place : undefined);
  if (unchanged && known) {
    const isSame =
      unchanged.used === used && place?.pack === known.pack && place.offset === known.offset;
    const { ino, ctimeMs } = found;
    const row = isSame ? unchanged : { ...unchanged, used, place: known };
    const file = isSettled(ctimeMs, settledAt) ? { ino, ctimeMs } : undefined;
    return { row, file, isAsFound: true };
  }
  const read = await reader.read(found);
  const put = read && reader.placeOf(read.digest, read.size);
  if (!put) return undefined;
  const { attributes, digest, ino, ctimeMs } = read;
  return {
    row: { type: 'file', path: found.path, ...attributes, used, digest, place: put },
    file: isSettled(ctimeMs, settledAt) ? { ino, ctimeMs } : undefined,
    isAsFound: ino === found.ino && ctimeMs === found.ctimeMs,
  };
}

/** The row of a directory or a symbolic link. */
function takeOther(entry: FoundDirectory | FoundSymlink): TakenRow {
  const { type, path, attributes } = entry;
  const { uid, gid, mtime } = attributes;
  const row: SnapshotEntry =
    type === 'directory'
      ? { type, path, ...attributes }
      : { type, path, uid, gid, mtime, target: entry.target };
  return { row, file: undefined, isAsFound: true };
}

/**
 * The rows of entries, in their order; undefined for what is left out.
 * @throws the file system's errors, NoSpaceError; the signal's reason
 */
export async function takeRows(
  entries: readonly SurveyedEntry[],
  taking: TakingRows,
): Promise<(TakenRow | undefined)[]> {
  const names = firstNames(entries);
  const written = new Set<string>();
  const rows: (TakenRow | undefined)[] = [];
  for (const { entry, unchanged } of entries) {
    if (entry.type !== 'file') {
      rows.push(takeOther(entry));
      continue;
    }
    const { inode = '', path } = entry;
    const first = names.get(inode) ?? path;
    if (first === path) {
      const taken = await takeFile(entry, unchanged, taking);
      if (taken) written.add(inode);
      rows.push(taken);
    } else {
      const row: SnapshotEntry = { type: 'link', path, target: first };
      rows.push(written.has(inode) ? { row, file: undefined, isAsFound: true } : undefined);
    }
  }
  return rows;
}

/** What is noted of a directory: relied on by the next snapshot only where nothing of it is left out. */
function seenOf(
  { seen, changedMs, count }: ScannedGroup,
  rows: readonly (TakenRow | undefined)[],
  settledAt: number,
): string | null {
  // There may have been no room for some of its files.
  const isWhole = rows.length === count && rows.every((taken) => taken?.isAsFound);
  return isWhole && isSettled(changedMs, settledAt) ? (seen ?? null) : null;
}

/** The rows of a directory, for the list. @param taken of all that is in it @param settledAt as in SurveyedMount */
export function directoryRows(
  group: ScannedGroup,
  taken: readonly (TakenRow | undefined)[],
  settledAt: number,
): DirectoryRows {
  const there = taken.filter((one) => one !== undefined);
  return {
    path: group.path,
    seen: seenOf(group, taken, settledAt),
    entries: there.map(({ row }) => row),
    files: there.map(({ file }) => file),
  };
}
