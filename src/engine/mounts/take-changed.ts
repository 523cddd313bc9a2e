/**
 * Takes a snapshot from the last one where little has changed: directories in which lstat says of everything
 * what it said then are not looked at, and their parts of the list stay as they are.
 */
import type { ScannedGroup } from '../../fs/mounts/scan-mount.js';
import type { Walker } from '../../fs/walker.js';
import { choosePacks } from '../../shared-cache/mounts/choose-packs.js';
import { isSameSnapshot } from '../../shared-cache/mounts/compact-packs.js';
import type { SnapshotEntry } from '../../shared-cache/mounts/snapshot.js';
import { PACK_BYTES } from '../../shared-cache/mounts/snapshot.js';
import type { ByteString } from '../../util/byte-string.js';
import { contentReader } from './content-reader.js';
import type { DirectoryRows } from './list-parts.js';
import { changeList, directoriesOf, listedParts } from './list-parts.js';
import type { MountNotes } from './mount-notes.js';
import { entryFinder } from './mount-notes.js';
import type { RowTable } from './row-table.js';
import { contentFinder, FIELDS, isFile, liveBytes, makeTable } from './row-table.js';
import type { SurveyedMount } from './survey-mounts.js';
import type { SurveyedEntry } from './take-rows.js';
import { directoryRows, takeRows } from './take-rows.js';
import type { SnapshotBase, TakenSnapshot } from './take-snapshot.js';
import type { PackOptions } from './write-packs.js';

/** With more of the files in changed directories, it is all looked at. */
const MOST_CHANGED = 0.5;

/** What is not as it was noted. */
interface Changes {
  /** Directories that changed, and new ones, parents before what is in them. */
  readonly groups: readonly ScannedGroup[];
  /** Noted directories that are gone. */
  readonly gone: ReadonlySet<ByteString>;
}

function findChanges({ groups }: SurveyedMount, notes: MountNotes): Changes {
  const noted = new Map(notes.groups.map(({ path, seen }) => [path, seen]));
  const isSame = ({ path, seen }: ScannedGroup) => seen !== undefined && noted.get(path) === seen;
  const there = new Set(groups.map(({ path }) => path));
  return {
    groups: groups.filter((group) => !isSame(group)),
    gone: new Set(notes.groups.flatMap(({ path }) => (there.has(path) ? [] : path))),
  };
}

/** The rows that a directory had. */
interface FormerRows {
  readonly entries: readonly SnapshotEntry[];
  readonly table: RowTable;
}

/** Divides the noted rows: those of directories that are not as they were, and the tables of all others. */
function divide(notes: MountNotes, changed: ReadonlySet<ByteString>) {
  const former = new Map<ByteString, FormerRows>();
  const others: RowTable[] = [];
  for (const part of listedParts(notes)) {
    if (!part.groups.some(({ path }) => changed.has(path))) {
      others.push(part.table);
      continue;
    }
    for (const { path, entries, table } of directoriesOf(part))
      if (changed.has(path)) former.set(path, { entries, table });
      else others.push(table);
  }
  return { former, others };
}

/** What is in a directory now, with the rows of what has not changed. */
function surveyed(group: ScannedGroup, former: FormerRows | undefined): SurveyedEntry[] {
  const entries = group.entries();
  if (!former) return entries.map((entry) => ({ entry, unchanged: undefined }));
  const find = entryFinder(former.entries);
  return entries.map((entry) => {
    const row = entry.type === 'file' ? find(entry.path) : -1;
    const noted = former.entries[row];
    const isSame = entry.type === 'file' && row >= 0 && isFile(former.table, row, entry);
    return { entry, unchanged: isSame && noted?.type === 'file' ? noted : undefined };
  });
}

/** Rows of files and links. */
function countRows(tables: readonly RowTable[], directories: number): number {
  return tables.reduce((sum, { numbers }) => sum + numbers.length / FIELDS, 0) - directories;
}

/**
 * @returns undefined where the whole mount has to be looked at: there is nothing to build on, too much has
 *   changed, packs are to be written anew, or files have several names
 * @throws the file system's errors, NoSpaceError; the signal's reason
 */
export async function takeChanged(
  walker: Walker,
  mount: SurveyedMount,
  { notes, packs, lost, signal }: SnapshotBase,
  options: PackOptions,
): Promise<TakenSnapshot | undefined> {
  const { groups, seenAt, settledAt, isWhole } = mount;
  if (!notes || !isWhole || lost.size > 0 || groups.some(({ hasLinks }) => hasLinks))
    return undefined;
  const changes = findChanges(mount, notes);
  const files = (all: readonly ScannedGroup[]) => all.reduce((sum, { count }) => sum + count, 0);
  if (files(changes.groups) > files(groups) * MOST_CHANGED) return undefined;
  const paths = new Set([...changes.groups.map(({ path }) => path), ...changes.gone]);
  const { former, others } = divide(notes, paths);
  const now = changes.groups.map((group) => ({
    group,
    entries: surveyed(group, former.get(group.path)),
  }));
  const stays = now.flatMap(({ entries }) => entries.flatMap(({ unchanged }) => unchanged ?? []));
  const live = liveBytes([...others, makeTable(stays, [])], packs.length);
  const use = packs.map(({ bytes }, place) => ({ bytes, live: live[place] ?? 0 }));
  if (use.some((pack) => pack.live === 0) || choosePacks(use, PACK_BYTES).size > 0)
    return undefined;

  const known = {
    packs: packs.length,
    find: contentFinder(notes.table),
    lost,
  };
  const reader = contentReader(walker, known, options, signal);
  const taking = { reader, seenAt, settledAt, arePlaced: true };
  const rows = new Map<ByteString, DirectoryRows>();
  for (const { group, entries } of now)
    rows.set(group.path, directoryRows(group, await takeRows(entries, taking), settledAt));
  const made = await reader.end();
  const added = [...rows.values()].filter(({ path }) => !former.has(path));
  const changed = new Map([...paths].map((path) => [path, rows.get(path)]));
  const list = changeList(notes, changed, added);
  const isSame =
    changes.gone.size === 0 &&
    [...rows.values()].every((directory) =>
      isSameSnapshot(
        { packs: [], entries: former.get(directory.path)?.entries ?? [] },
        { packs: [], entries: directory.entries },
      ),
    );
  const all = [...packs, ...made.map(({ pack }) => pack)];
  const bytes = liveBytes([list.table], all.length).reduce((sum, one) => sum + one, 0);
  return {
    packs: all,
    list,
    totals: { count: countRows([list.table], groups.length - 1), bytes },
    isSame: isSame && made.length === 0,
    made,
    leftOut: reader.leftOut(),
  };
}
