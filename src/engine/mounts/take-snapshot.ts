/** Takes a snapshot of a cache mount: reads what changed since the last one, and packs what is new. */

import { dirname } from 'node:path';
import type { Walker } from '../../fs/walker.js';
import { openWalker } from '../../fs/walker.js';
import { choosePacks } from '../../shared-cache/mounts/choose-packs.js';
import { compactPacks, isSameSnapshot } from '../../shared-cache/mounts/compact-packs.js';
import type { Pack, Snapshot } from '../../shared-cache/mounts/snapshot.js';
import { contentPlaces, measureSnapshot, PACK_BYTES } from '../../shared-cache/mounts/snapshot.js';
import type { ByteString } from '../../util/byte-string.js';
import { contentReader } from './content-reader.js';
import type { DirectoryRows } from './list-parts.js';
import { makeList } from './list-parts.js';
import type { MountNotes, NotedList } from './mount-notes.js';
import { notedSnapshot } from './mount-notes.js';
import { liveBytes, makeTable } from './row-table.js';
import type { SurveyedMount } from './survey-mounts.js';
import { takeChanged } from './take-changed.js';
import type { SurveyedEntry, TakenRow } from './take-rows.js';
import { directoryRows, takeRows } from './take-rows.js';
import type { NewPack, PackOptions } from './write-packs.js';

/** What a snapshot builds on. */
export interface SnapshotBase {
  readonly packs: readonly Pack[];
  /** Of the snapshot that the shared cache has, if this store has taken or restored it. */
  readonly notes: MountNotes | undefined;
  /** The snapshot that the shared cache has. */
  readonly snapshot: () => Snapshot;
  /** Places of its packs that are not there any more. */
  readonly lost: ReadonlySet<number>;
  readonly signal: AbortSignal;
}

/** A snapshot of this moment. */
export interface TakenSnapshot {
  readonly packs: readonly Pack[];
  readonly list: NotedList;
  /** Files and links, and bytes of different contents. */
  readonly totals: { readonly count: number; readonly bytes: number };
  /** Does it say nothing that the former one does not? */
  readonly isSame: boolean;
  /** Packs that the shared cache does not have. */
  readonly made: readonly NewPack[];
  /** Files that were written to all the time while they were read, or are gone. */
  readonly leftOut: number;
}

const NOTHING: Snapshot = { packs: [], entries: [] };

/** Of a mount that the shared cache does not have. */
export const NO_SNAPSHOT = { packs: NOTHING.packs, notes: undefined, snapshot: () => NOTHING };

/** Of one that this store knows. */
export function notedBase(notes: MountNotes): Omit<SnapshotBase, 'lost' | 'signal'> {
  return { packs: notes.packs, notes, snapshot: () => notedSnapshot(notes) };
}

/**
 * Takes a snapshot.
 * @throws the file system's errors, NoSpaceError; the signal's reason
 */
export async function takeSnapshot(
  mount: SurveyedMount,
  base: SnapshotBase,
  options: PackOptions,
): Promise<TakenSnapshot> {
  const walker = openWalker(mount.path, 'bytes');
  try {
    const changed = await takeChanged(walker, mount, base, options);
    return changed ?? (await takeAll(walker, mount, base, options));
  } finally {
    walker.close();
  }
}

const parentOf = (path: ByteString) => {
  const parent = dirname(path);
  return parent === '.' ? '' : parent;
};

/** Rows by the directories that they are in. */
function byDirectory(
  { groups, settledAt }: SurveyedMount,
  entries: readonly SurveyedEntry[],
  taken: readonly (TakenRow | undefined)[],
): DirectoryRows[] {
  const places = new Map<ByteString, (TakenRow | undefined)[]>();
  for (const [at, { entry }] of entries.entries()) {
    const parent = parentOf(entry.path);
    const inside = places.get(parent) ?? [];
    inside.push(taken[at]);
    places.set(parent, inside);
  }
  return groups.map((group) => directoryRows(group, places.get(group.path) ?? [], settledAt));
}

async function takeAll(
  walker: Walker,
  mount: SurveyedMount,
  base: SnapshotBase,
  options: PackOptions,
): Promise<TakenSnapshot> {
  const { seenAt, settledAt } = mount;
  const former = base.snapshot();
  const contents = contentPlaces(former);
  const known = {
    packs: base.packs.length,
    find: (digest: string) => contents.get(digest),
    lost: base.lost,
  };
  const reader = contentReader(walker, known, options, base.signal);
  const entries = mount.files();
  const arePlaced = base.notes !== undefined;
  let taken = await takeRows(entries, { reader, seenAt, settledAt, arePlaced });
  const table = makeTable(
    taken.flatMap((one) => one?.row ?? []),
    [],
  );
  const live = liveBytes([table], base.packs.length);
  const chosen = choosePacks(
    base.packs.map(({ bytes }, place) => ({ bytes, live: live[place] ?? 0 })),
    PACK_BYTES,
  );
  if (chosen.size > 0) {
    reader.forget(chosen);
    const again = entries.map(({ entry }, at): SurveyedEntry => {
      const one = taken[at];
      const unchanged = one?.isAsFound && one.row.type === 'file' ? one.row : undefined;
      return { entry, unchanged };
    });
    taken = await takeRows(again, { reader, seenAt, settledAt, arePlaced: true });
  }
  const made = await reader.end();
  const packs = [...base.packs, ...made.map(({ pack }) => pack)];
  const there = taken.filter((one) => one !== undefined);
  const snapshot = compactPacks(
    packs,
    there.map(({ row }) => row),
  );
  const numbered = new Map(there.map((one, at) => [one, snapshot.entries[at]]));
  const rows = taken.map((one) => one && { ...one, row: numbered.get(one) ?? one.row });
  const needed = new Set(snapshot.packs.map(({ digest }) => digest));
  return {
    packs: snapshot.packs,
    list: makeList(byDirectory(mount, entries, rows)),
    totals: measureSnapshot(snapshot),
    isSame: isSameSnapshot(former, snapshot),
    made: made.filter(({ pack }) => needed.has(pack.digest)),
    leftOut: reader.leftOut(),
  };
}
