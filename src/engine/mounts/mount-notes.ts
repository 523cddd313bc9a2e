/**
 * What this store remembers of a cache mount's last snapshot: its files, and which ones have not
 * changed since. It spares reading them, and asking the shared cache for the list. Nothing depends
 * on it: without it all files are read.
 */
import type { Row } from '../../shared-cache/mounts/encode-snapshot.js';
import { decodeEntry, encodeRows } from '../../shared-cache/mounts/encode-snapshot.js';
import type { Pack, Snapshot, SnapshotFile } from '../../shared-cache/mounts/snapshot.js';
import { readMountNotes, writeMountNotes } from '../../store/pins/mount-notes-file.js';
import type { Store } from '../../store/store.js';
import type { ByteString } from '../../util/byte-string.js';

/** Version of the file; others are ignored. */
const VERSION = 1;

/**
 * A file that was changed so shortly before it was looked at may have been changed again without
 * another time of change (git: "racily clean"). ms.
 */
const RACY_MS = 50;

/** A file of the last snapshot. */
export interface NotedFile {
  readonly file: SnapshotFile;
  /** Of a file of this machine that has the content that the snapshot says; else undefined. */
  readonly fingerprint: string | undefined;
}

/** A snapshot, and the files of this machine that it was taken of or restored to. */
export interface MountNotes {
  /** Digest of the list of files. */
  readonly id: string;
  readonly snapshot: Snapshot;
  readonly files: ReadonlyMap<ByteString, NotedFile>;
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
  const text = readMountNotes(store, name);
  if (text === undefined) return undefined;
  try {
    const { version, id, packs, rows, fingerprints } = JSON.parse(text) as Noted;
    if (version !== VERSION) return undefined;
    const entries = rows.map(decodeEntry);
    const files = new Map<ByteString, NotedFile>();
    for (const [at, file] of entries.entries())
      if (file.type === 'file')
        files.set(file.path, { file, fingerprint: fingerprints[at] ?? undefined });
    return { id, snapshot: { packs, entries }, files };
  } catch {
    // A file that was cut off by a full disk, say.
    return undefined;
  }
}

/**
 * Replaces what was noted before.
 * @param id digest of the list of files
 * @param fingerprints of files that have the content that the snapshot says
 * @param rows of encodeRows
 * @throws the file system's errors
 */
export function writeNotes(
  store: Store,
  name: string,
  id: string,
  { packs, entries }: Snapshot,
  fingerprints: ReadonlyMap<ByteString, string>,
  rows = encodeRows(entries),
): void {
  const ordered = entries.map(({ path }) => fingerprints.get(path) ?? null);
  const rest = JSON.stringify({ version: VERSION, id, packs, fingerprints: ordered });
  writeMountNotes(store, name, `${rest.slice(0, -1)},"rows":${rows}}`);
}
