/**
 * What this store remembers of a cache mount's last snapshot: its files, and which ones have not
 * changed since. It spares reading them, and asking the shared cache for the list. Nothing depends
 * on it: without it all files are read.
 */
import { encodeEntry } from '../../shared-cache/mounts/encode-snapshot.js';
import { parseRows } from '../../shared-cache/mounts/parse-snapshot.js';
import type { Pack, Snapshot } from '../../shared-cache/mounts/snapshot.js';
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

/** A snapshot, and the files of this machine that it was taken of or restored to. */
export interface MountNotes {
  /** Digest of the list of files. */
  readonly id: string;
  readonly snapshot: Snapshot;
  /** Fingerprints of files that have the content that the snapshot says. */
  readonly fingerprints: ReadonlyMap<ByteString, string>;
}

interface Noted {
  readonly version: number;
  readonly id: string;
  readonly packs: readonly Pack[];
  readonly rows: readonly unknown[];
  readonly fingerprints: Readonly<Record<ByteString, string>>;
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
    const entries = parseRows(rows, packs, name);
    return {
      id,
      snapshot: { packs, entries },
      fingerprints: new Map(Object.entries(fingerprints)),
    };
  } catch {
    // A file that was cut off by a full disk, say.
    return undefined;
  }
}

/** Replaces what was noted before. @throws the file system's errors */
export function writeNotes(store: Store, name: string, notes: MountNotes): void {
  const { id, snapshot, fingerprints } = notes;
  const noted: Noted = {
    version: VERSION,
    id,
    packs: snapshot.packs,
    rows: snapshot.entries.map(encodeEntry),
    fingerprints: Object.fromEntries(fingerprints),
  };
  writeMountNotes(store, name, JSON.stringify(noted));
}
