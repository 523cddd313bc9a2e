/** Takes a snapshot of a cache mount: reads what changed since the last one, and packs what is new. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ReadFile } from '../../fs/mounts/read-mount-file.js';
import { readMountFile } from '../../fs/mounts/read-mount-file.js';
import type {
  FoundDirectory,
  FoundFile,
  FoundSymlink,
  MountEntry,
} from '../../fs/mounts/scan-mount.js';
import type { Walker } from '../../fs/walker.js';
import { openWalker } from '../../fs/walker.js';
import { choosePacks } from '../../shared-cache/mounts/choose-packs.js';
import { compactPacks, toDay } from '../../shared-cache/mounts/compact-packs.js';
import type {
  ContentPlace,
  Snapshot,
  SnapshotEntry,
  SnapshotFile,
} from '../../shared-cache/mounts/snapshot.js';
import { contentPlaces, PACK_BYTES } from '../../shared-cache/mounts/snapshot.js';
import type { ByteString } from '../../util/byte-string.js';
import type { MountNotes } from './mount-notes.js';
import { isSettled } from './mount-notes.js';
import type { SurveyedMount } from './survey-mounts.js';
import { fileUse } from './survey-mounts.js';
import type { NewPack, PackOptions } from './write-packs.js';
import { appendPiece, createPackWriter } from './write-packs.js';

/** What a snapshot builds on. */
export interface SnapshotBase {
  /** The one that the shared cache has. */
  readonly former: Snapshot;
  /** Places of its packs that are not there any more. */
  readonly lost: ReadonlySet<number>;
  readonly signal: AbortSignal;
}

/** A snapshot of this moment. */
export interface TakenSnapshot {
  readonly snapshot: Snapshot;
  /** Packs that the shared cache does not have. */
  readonly packs: readonly NewPack[];
  /** As in MountNotes. */
  readonly fingerprints: MountNotes['fingerprints'];
  /** Files that were written to all the time while they were read, or are gone. */
  readonly leftOut: number;
}

export const NO_SNAPSHOT: Snapshot = { packs: [], entries: [] };

/** So many files are read before others get their turn. */
const FILES_A_TURN = 200;

const turn = () => new Promise<void>((resume) => setImmediate(resume));

/** Reads files, and puts contents that are new into packs. */
function contentReader(walker: Walker, base: SnapshotBase, options: PackOptions) {
  const packs = createPackWriter(options);
  const first = base.former.packs.length;
  const places = contentPlaces(base.former);
  const gone = new Set(base.lost);
  for (const [digest, { pack }] of places) if (base.lost.has(pack)) places.delete(digest);

  const put = async (digest: string, content: Buffer): Promise<void> => {
    const { number, offset } = await packs.add(content);
    places.set(digest, { pack: first + number, offset, size: content.length });
  };
  const readSmall = async (path: ByteString): Promise<ReadFile | undefined> => {
    let pieces: Buffer[] = [];
    const read = readMountFile(walker, path, () => {
      pieces = [];
      return (piece) => void pieces.push(Buffer.from(piece));
    });
    if (read && !places.has(read.digest)) await put(read.digest, Buffer.concat(pieces));
    return read;
  };
  const readLarge = async (path: ByteString): Promise<ReadFile | undefined> => {
    const copy = join(options.scratch, `content-${options.nextNumber()}`);
    const read = readMountFile(walker, path, () => {
      rmSync(copy, { force: true });
      return (piece) => appendPiece(copy, piece);
    });
    if (!read || places.has(read.digest)) {
      rmSync(copy, { force: true });
      return read;
    }
    const { size } = read;
    const { number, offset } = await packs.addFile(copy, size);
    places.set(read.digest, { pack: first + number, offset, size });
    return read;
  };
  return {
    places,
    read: (path: ByteString, size: number) => (size > PACK_BYTES ? readLarge : readSmall)(path),
    /** Is nothing to be taken from this pack? */
    isGone: (pack: number) => gone.has(pack),
    /** Contents of these packs are to be put into new ones, when they are read again. */
    forget: (chosen: ReadonlySet<number>) => {
      for (const pack of chosen) gone.add(pack);
      for (const [digest, { pack }] of places) if (chosen.has(pack)) places.delete(digest);
    },
    end: () => packs.end(),
  };
}

/** A file of the snapshot while it is being taken. */
interface Taken {
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  /** What was read of it now. */
  readonly read: ReadFile | undefined;
  /** Its entry in the former snapshot, if it has not changed since. */
  readonly noted: SnapshotFile | undefined;
}

/** How much of each former pack the files need. */
function packUse({ packs }: Snapshot, places: Iterable<ContentPlace | undefined>) {
  const live = packs.map(() => 0);
  const seen = packs.map(() => new Set<number>());
  for (const place of places) {
    const offsets = place && seen[place.pack];
    if (!offsets || offsets.has(place.offset)) continue;
    offsets.add(place.offset);
    live[place.pack] = (live[place.pack] ?? 0) + place.size;
  }
  return packs.map(({ bytes }, place) => ({ bytes, live: live[place] ?? 0 }));
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
    return await take(walker, mount, base, options);
  } finally {
    walker.close();
  }
}

/** The first name of each file: the others are links to it. */
function firstNames(entries: readonly MountEntry[]): ReadonlyMap<string, ByteString> {
  const names = new Map<string, ByteString>();
  for (const entry of entries)
    if (entry.type === 'file' && entry.inode !== undefined && !names.has(entry.inode))
      names.set(entry.inode, entry.path);
  return names;
}

const NOWHERE: ContentPlace = { pack: 0, offset: 0, size: 0 };

async function take(
  walker: Walker,
  mount: SurveyedMount,
  base: SnapshotBase,
  options: PackOptions,
): Promise<TakenSnapshot> {
  const { entries, unchanged, notes, seenAt } = mount;
  const reader = contentReader(walker, base, options);
  const isNoted = notes?.snapshot === base.former;
  let count = 0;
  let leftOut = 0;
  const readNow = async (found: FoundFile): Promise<Taken | undefined> => {
    count += 1;
    if (count % FILES_A_TURN === 0) await turn();
    base.signal.throwIfAborted();
    const read = await reader.read(found.path, found.size);
    if (!read) leftOut += 1;
    return read && { digest: read.digest, size: read.size, read, noted: undefined };
  };
  const placeOf = ({ digest, size, noted }: Taken): ContentPlace | undefined => {
    if (size === 0) return NOWHERE;
    // There are many, and to look a digest up takes longer than all the rest.
    const isKnown = isNoted && noted && !reader.isGone(noted.place.pack);
    return isKnown ? noted.place : reader.places.get(digest);
  };

  const names = firstNames(entries);
  // In the order of the entries; undefined for what is no file, or is left out.
  const taken: (Taken | undefined)[] = [];
  for (const [at, found] of entries.entries()) {
    taken.push(undefined);
    if (found.type !== 'file') continue;
    if (found.inode !== undefined && names.get(found.inode) !== found.path) continue;
    const noted = unchanged[at];
    const one = noted && { digest: noted.digest, size: found.size, read: undefined, noted };
    taken[at] = one && placeOf(one) ? one : await readNow(found);
  }
  const former = packUse(
    base.former,
    taken.map((one) => one && placeOf(one)),
  );
  const chosen = choosePacks(former, PACK_BYTES);
  if (chosen.size > 0) {
    reader.forget(chosen);
    for (const [at, one] of taken.entries()) {
      const found = entries[at];
      if (one && found?.type === 'file' && !placeOf(one)) taken[at] = await readNow(found);
    }
  }
  const made = await reader.end();
  const packs = [...base.former.packs, ...made.map(({ pack }) => pack)];
  const rows: SnapshotEntry[] = [];
  const fingerprints: (string | null)[] = [];
  const written = new Set<string>();
  for (const [at, entry] of entries.entries()) {
    const one = taken[at];
    const place = one && placeOf(one);
    const row =
      entry.type === 'file'
        ? place && one && makeFile(entry, one, place, toDay(fileUse(mount, at, entry)))
        : makeOther(entry);
    const { inode = '', path } = entry.type === 'file' ? entry : { path: entry.path };
    if (row) {
      const { ctimeMs, fingerprint } = one?.read ?? (entry as FoundFile);
      const isFile = row.type === 'file' && isSettled(ctimeMs, seenAt);
      rows.push(row);
      fingerprints.push(isFile ? fingerprint : null);
      if (inode !== '') written.add(inode);
    } else if (written.has(inode)) {
      rows.push({ type: 'link', path, target: names.get(inode) ?? '' });
      fingerprints.push(null);
    }
  }
  const snapshot = compactPacks(packs, rows);
  const needed = new Set(snapshot.packs.map(({ digest }) => digest));
  return {
    snapshot,
    packs: made.filter(({ pack }) => needed.has(pack.digest)),
    fingerprints,
    leftOut,
  };
}

/** The row of a file; the former one where it says the same. */
function makeFile(
  { path }: FoundFile,
  { digest, read, noted }: Taken,
  place: ContentPlace,
  used: number,
): SnapshotFile | undefined {
  const isSame =
    noted?.used === used && noted.place.pack === place.pack && noted.place.offset === place.offset;
  if (noted && isSame) return noted;
  const attributes = read?.attributes ?? noted;
  if (!attributes) return undefined;
  const { mode, uid, gid, mtime } = attributes;
  return { type: 'file', path, mode, uid, gid, mtime, used, digest, place };
}

/** The row of a directory or a symbolic link. */
function makeOther(entry: FoundDirectory | FoundSymlink): SnapshotEntry {
  const { type, path, attributes } = entry;
  if (type === 'directory') return { type, path, ...attributes };
  const { uid, gid, mtime } = attributes;
  return { type, path, uid, gid, mtime, target: entry.target };
}
