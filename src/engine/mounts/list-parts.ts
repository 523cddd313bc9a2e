/** Puts the list of a snapshot's files together, from new parts and from those of the former list. Pure. */
import { decodeMember, encodeMember } from '../../shared-cache/mounts/encode-snapshot.js';
import type { SnapshotEntry } from '../../shared-cache/mounts/snapshot.js';
import type { ByteString } from '../../util/byte-string.js';
import type { NotedGroup, NotedList, NotedMember } from './mount-notes.js';
import type { NotedFile, RowTable } from './row-table.js';
import { joinTables, makeTable, partOf } from './row-table.js';

/** The rows of one directory, as they are to be in the list. */
export interface DirectoryRows {
  readonly path: ByteString;
  /** As in NotedGroup. */
  readonly seen: string | null;
  readonly entries: readonly SnapshotEntry[];
  /** The file of this machine that each entry was taken of; undefined where it is not known. */
  readonly files: readonly (NotedFile | undefined)[];
}

/** A directory whose rows are known, and what of the table is theirs. */
interface Rows extends Omit<DirectoryRows, 'files'> {
  readonly table: RowTable;
}

/**
 * Rows that make a part. A part is what is made anew for one changed file; smaller ones are compressed
 * worse.
 */
const PART_ROWS = 64;

function* partsOf(directories: readonly Rows[]): Generator<Rows[]> {
  let part: Rows[] = [];
  let rows = 0;
  for (const directory of directories) {
    part.push(directory);
    rows += directory.entries.length;
    if (rows < PART_ROWS) continue;
    yield part;
    part = [];
    rows = 0;
  }
  if (part.length > 0) yield part;
}

function listBuilder() {
  const groups: NotedGroup[] = [];
  const members: NotedMember[] = [];
  const tables: RowTable[] = [];
  let inMember = 0;
  const keep = (kept: readonly NotedGroup[], bytes: Buffer, table: RowTable): void => {
    groups.push(...kept);
    tables.push(table);
    members.push({ groups: groups.length - inMember, bytes });
    inMember = groups.length;
  };
  return {
    keep,
    add(directories: readonly Rows[]): void {
      for (const part of partsOf(directories)) {
        const own = part.map(({ path, seen, entries }) => ({ path, seen, rows: entries.length }));
        const entries = part.flatMap((directory) => directory.entries);
        // Directories without a file in them belong to the part that comes next.
        if (entries.length === 0) groups.push(...own);
        else keep(own, encodeMember(entries), joinTables(part.map(({ table }) => table)));
      }
    },
    end: (): NotedList => ({ groups, members, table: joinTables(tables) }),
  };
}

function rowsOf({ path, seen, entries, files }: DirectoryRows): Rows {
  return { path, seen, entries, table: makeTable(entries, files) };
}

/** A list of which nothing was there. @param directories parents before what is in them */
export function makeList(directories: readonly DirectoryRows[]): NotedList {
  const builder = listBuilder();
  builder.add(directories.map(rowsOf));
  return builder.end();
}

/** A part of a list, with its place in the table. */
export interface ListedPart {
  readonly groups: readonly NotedGroup[];
  /** As encodeMember made it; undefined for directories that have no rows. */
  readonly bytes: Buffer | undefined;
  readonly table: RowTable;
}

/** The parts of a list, one after the other. */
export function* listedParts({ members, groups, table }: NotedList): Generator<ListedPart> {
  let group = 0;
  let row = 0;
  const take = (count: number, bytes: Buffer | undefined): ListedPart => {
    const own = groups.slice(group, group + count);
    group += count;
    const rows = own.reduce((sum, one) => sum + one.rows, 0);
    row += rows;
    return { groups: own, bytes, table: partOf(table, row - rows, rows) };
  };
  for (const member of members) yield take(member.groups, member.bytes);
  if (group < groups.length) yield take(groups.length - group, undefined);
}

/** The directories of a part with their rows. */
export function directoriesOf({ groups, bytes, table }: ListedPart): Rows[] {
  const entries = bytes ? decodeMember(bytes) : [];
  let row = 0;
  return groups.map(({ path, seen, rows }) => {
    row += rows;
    const first = row - rows;
    return { path, seen, entries: entries.slice(first, row), table: partOf(table, first, rows) };
  });
}

/**
 * A list in which some directories are others.
 * @param changed by their path; undefined for those that are gone
 * @param added directories that it did not have, parents before what is in them
 */
export function changeList(
  list: NotedList,
  changed: ReadonlyMap<ByteString, DirectoryRows | undefined>,
  added: readonly DirectoryRows[],
): NotedList {
  const builder = listBuilder();
  for (const part of listedParts(list)) {
    const isSame = !part.groups.some(({ path }) => changed.has(path));
    if (isSame && part.bytes) builder.keep(part.groups, part.bytes, part.table);
    else
      builder.add(
        directoriesOf(part).flatMap((directory) => {
          if (!changed.has(directory.path)) return [directory];
          const other = changed.get(directory.path);
          return other ? [rowsOf(other)] : [];
        }),
      );
  }
  builder.add(added.map(rowsOf));
  return builder.end();
}
