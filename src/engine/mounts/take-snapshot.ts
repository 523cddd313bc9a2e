/** Takes a snapshot of a cache mount: reads what changed since the last one, and packs what is new. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ReadFile } from '../../fs/mounts/read-mount-file.js';
import { readMountFile } from '../../fs/mounts/read-mount-file.js';
import type { FoundFile, MountEntry } from '../../fs/mounts/scan-mount.js';
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
import { isSettled } from './mount-notes.js';
import type { SurveyedMount } from './survey-mounts.js';
import { fileUse, unchangedFile } from './survey-mounts.js';
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
  readonly fingerprints: ReadonlyMap<ByteString, string>;
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
    /** Contents of these packs are to be put into new ones, when they are read again. */
    forget: (chosen: ReadonlySet<number>) => {
      for (const [digest, { pack }] of places) if (chosen.has(pack)) places.delete(digest);
    },
    end: () => packs.end(),
  };
}

/** A file of the snapshot while it is being taken. */
interface Taken {
  readonly found: FoundFile;
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  /** What was read of it now. */
  readonly read: ReadFile | undefined;
  /** Its entry in the former snapshot, if it has not changed since. */
  readonly noted: SnapshotFile | undefined;
}

/** How much of each former pack the files need. */
function packUse(
  { packs }: Snapshot,
  taken: readonly Taken[],
  places: ReadonlyMap<string, ContentPlace>,
) {
  const live = packs.map(() => 0);
  const seen = new Set<string>();
  for (const { digest } of taken) {
    const { pack, size } = places.get(digest) ?? { pack: -1, size: 0 };
    if (pack < 0 || pack >= live.length || seen.has(digest)) continue;
    seen.add(digest);
    live[pack] = (live[pack] ?? 0) + size;
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

async function take(
  walker: Walker,
  mount: SurveyedMount,
  base: SnapshotBase,
  options: PackOptions,
): Promise<TakenSnapshot> {
  const { entries, notes, seenAt } = mount;
  const reader = contentReader(walker, base, options);
  let count = 0;
  let leftOut = 0;
  const readNow = async (found: FoundFile): Promise<Taken | undefined> => {
    count += 1;
    if (count % FILES_A_TURN === 0) await turn();
    base.signal.throwIfAborted();
    const read = await reader.read(found.path, found.size);
    if (!read) leftOut += 1;
    const { digest, size } = read ?? {};
    return digest === undefined || size === undefined
      ? undefined
      : { found, digest, size, read, noted: undefined };
  };
  const isThere = ({ digest, size }: Pick<Taken, 'digest' | 'size'>) =>
    size === 0 || reader.places.has(digest);

  const names = firstNames(entries);
  let taken: Taken[] = [];
  for (const found of entries) {
    if (found.type !== 'file') continue;
    if (found.inode !== undefined && names.get(found.inode) !== found.path) continue;
    const noted = unchangedFile(notes, found);
    const { digest = '' } = noted ?? {};
    const { size } = found;
    const one =
      noted && isThere({ digest, size })
        ? { found, digest, size, read: undefined, noted }
        : await readNow(found);
    if (one) taken.push(one);
  }
  const chosen = choosePacks(packUse(base.former, taken, reader.places), PACK_BYTES);
  if (chosen.size > 0) {
    reader.forget(chosen);
    const again: Taken[] = [];
    for (const one of taken) {
      const now = isThere(one) ? one : await readNow(one.found);
      if (now) again.push(now);
    }
    taken = again;
  }
  const made = await reader.end();
  const packs = [...base.former.packs, ...made.map(({ pack }) => pack)];
  const files = new Map<ByteString, SnapshotFile>();
  const fingerprints = new Map<ByteString, string>();
  for (const one of taken) {
    const { path } = one.found;
    const file = makeFile(mount, one, reader.places.get(one.digest));
    if (file) files.set(path, file);
    const { ctimeMs, fingerprint } = one.read ?? one.found;
    if (isSettled(ctimeMs, seenAt)) fingerprints.set(path, fingerprint);
  }
  const snapshot = compactPacks(packs, makeEntries(entries, files, names));
  const needed = new Set(snapshot.packs.map(({ digest }) => digest));
  return {
    snapshot,
    packs: made.filter(({ pack }) => needed.has(pack.digest)),
    fingerprints,
    leftOut,
  };
}

const NOWHERE: ContentPlace = { pack: 0, offset: 0, size: 0 };

function makeFile(
  mount: SurveyedMount,
  { found, digest, size, read, noted }: Taken,
  known: ContentPlace | undefined,
): SnapshotFile | undefined {
  const place = size === 0 ? NOWHERE : known;
  const attributes = read?.attributes ?? noted;
  if (!place || !attributes) return undefined;
  const used = toDay(fileUse(mount, found));
  const isSame =
    noted?.used === used && noted.place.pack === place.pack && noted.place.offset === place.offset;
  if (noted && isSame) return noted;
  const { mode, uid, gid, mtime } = attributes;
  return { type: 'file', path: found.path, mode, uid, gid, mtime, used, digest, place };
}

/** The rows of the list, in the order of the mount's entries. */
function makeEntries(
  entries: readonly MountEntry[],
  files: ReadonlyMap<ByteString, SnapshotFile>,
  names: ReadonlyMap<string, ByteString>,
): SnapshotEntry[] {
  const rows: SnapshotEntry[] = [];
  for (const entry of entries) {
    const { type, path } = entry;
    if (type === 'directory') rows.push({ type, path, ...entry.attributes });
    else if (type === 'symlink') {
      const { uid, gid, mtime } = entry.attributes;
      rows.push({ type, path, uid, gid, mtime, target: entry.target });
    } else {
      const file = files.get(path);
      const target = entry.inode === undefined ? undefined : names.get(entry.inode);
      if (file) rows.push(file);
      else if (target !== undefined && files.has(target)) rows.push({ type: 'link', path, target });
    }
  }
  return rows;
}
