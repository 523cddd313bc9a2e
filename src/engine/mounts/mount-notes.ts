/**
 * What this store remembers of a cache mount's last snapshot: its files, and which ones have not
 * changed since. It spares reading them, and asking the shared cache for the list. Nothing depends
 * on it: without it all files are read.
 */
import type { Row } from '../../shared-cache/mounts/encode-snapshot.js';
import { decodeEntry, encodeRows } from '../../shared-cache/mounts/encode-snapshot.js';
import type { Pack, Snapshot, SnapshotEntry } from '../../shared-cache/mounts/snapshot.js';
import { readNotesFile, writeNotesFile } from '../../store/pins/notes-file.js';
import type { Store } from '../../store/store.js';
import type { ByteString } from '../../util/byte-string.js';

/** Version of the file; others are ignored. */
const VERSION = 1;

/**
 * A file that was changed so shortly before it was looked at may have been changed again without
 * another time of change (git: "racily clean"). ms.
 */
const RACY_MS = 50;

/** A snapshot, and the files of this machine that it was taken of or restored to. */
export interface MountNotes {
  /** Digest of the list of files. */
  readonly id: string;
  readonly snapshot: Snapshot;
  /**
   * For each entry: fingerprint of the file of this machine that has the content that the entry
   * says; null when there is none.
   */
  readonly fingerprints: readonly (string | null)[];
}

interface Noted {
  readonly version: number;
  readonly id: string;
  readonly packs: readonly Pack[];
  readonly rows: readonly Row[];
  /** In the order of the rows. */
  readonly fingerprints: readonly (string | null)[];
}

/** Is the fingerprint of a file worth noting? @param seenAt ms since the epoch */
export function isSettled(ctimeMs: number, seenAt: number): boolean {
  return ctimeMs < seenAt - RACY_MS;
}

/** @returns undefined when there are none, or none that can be read */
export function readNotes(store: Store, name: string): MountNotes | undefined {
  const text = readNotesFile(store, 'mountNotes', name);
  if (text === undefined) return undefined;
  try {
    const { version, id, packs, rows, fingerprints } = JSON.parse(text) as Noted;
    if (version !== VERSION) return undefined;
    return { id, snapshot: { packs, entries: rows.map(decodeEntry) }, fingerprints };
  } catch {
    // A file that was cut off by a full disk, say.
    return undefined;
  }
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

/**
 * Replaces what was noted before.
 * @param id digest of the list of files
 * @param fingerprints as in MountNotes
 * @param rows of encodeRows
 * @throws the file system's errors
 */
export function writeNotes(
  store: Store,
  name: string,
  id: string,
  { packs, entries }: Snapshot,
  fingerprints: MountNotes['fingerprints'],
  rows = encodeRows(entries),
): void {
  const rest = JSON.stringify({ version: VERSION, id, packs, fingerprints });
  writeNotesFile(store, 'mountNotes', name, `${rest.slice(0, -1)},"rows":${rows}}`);
}
