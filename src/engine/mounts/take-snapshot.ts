/** Takes a snapshot of a cache mount: reads what changed since the last one, and packs what is new. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ReadFile } from '../../fs/mounts/read-mount-file.js';
import { readMountFile } from '../../fs/mounts/read-mount-file.js';
import type { MountEntry, MountStats } from '../../fs/mounts/scan-mount.js';
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
import { notedDigests } from './survey-mounts.js';
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
    const { size } = read.stats;
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
  readonly entry: MountEntry;
  readonly stats: MountStats;
  readonly digest: string;
}

/** How much of each former pack the files need. */
function packUse(
  { packs }: Snapshot,
  taken: readonly Taken[],
  places: ReadonlyMap<string, ContentPlace>,
) {
  const live = packs.map(() => 0);
  for (const digest of new Set(taken.map((one) => one.digest))) {
    const { pack, size } = places.get(digest) ?? { pack: -1, size: 0 };
    if (pack in live) live[pack] = (live[pack] ?? 0) + size;
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
  const walker = openWalker(mount.root, 'bytes');
  try {
    return await take(walker, mount, base, options);
  } finally {
    walker.close();
  }
}

async function take(
  walker: Walker,
  { entries, notes, used, seenAt }: SurveyedMount,
  base: SnapshotBase,
  options: PackOptions,
): Promise<TakenSnapshot> {
  const reader = contentReader(walker, base, options);
  const noted = notedDigests(notes);
  let count = 0;
  let leftOut = 0;
  const readAgain = async (entry: MountEntry): Promise<Taken | undefined> => {
    count += 1;
    if (count % FILES_A_TURN === 0) await turn();
    base.signal.throwIfAborted();
    const read = await reader.read(entry.path, entry.stats.size);
    if (!read) leftOut += 1;
    return read && { entry, ...read };
  };
  const takeFile = async (entry: MountEntry): Promise<Taken | undefined> => {
    const { path, stats } = entry;
    const isUnchanged = notes?.fingerprints.get(path) === stats.fingerprint;
    const digest = isUnchanged ? noted.get(path) : undefined;
    const isThere = digest !== undefined && (stats.size === 0 || reader.places.has(digest));
    return isThere ? { entry, stats, digest } : readAgain(entry);
  };

  const names = new Map<string, ByteString>();
  const isFirstName = ({ type, path, stats }: MountEntry) => {
    if (type !== 'file' || stats.inode === undefined) return type === 'file';
    if (!names.has(stats.inode)) names.set(stats.inode, path);
    return names.get(stats.inode) === path;
  };
  let taken: Taken[] = [];
  for (const entry of entries) {
    const one = isFirstName(entry) ? await takeFile(entry) : undefined;
    if (one) taken.push(one);
  }
  const chosen = choosePacks(packUse(base.former, taken, reader.places), PACK_BYTES);
  if (chosen.size > 0) {
    reader.forget(chosen);
    const again: Taken[] = [];
    for (const one of taken) {
      const isThere = one.stats.size === 0 || reader.places.has(one.digest);
      const now = isThere ? one : await readAgain(one.entry);
      if (now) again.push(now);
    }
    taken = again;
  }
  const made = await reader.end();
  const packs = [...base.former.packs, ...made.map(({ pack }) => pack)];
  const rows = makeEntries(entries, taken, names, used, reader.places);
  const snapshot = compactPacks(packs, rows);
  const needed = new Set(snapshot.packs.map(({ digest }) => digest));
  const fingerprints = new Map(
    taken.flatMap(({ entry, stats }) =>
      isSettled(stats.ctimeMs, seenAt) ? [[entry.path, stats.fingerprint]] : [],
    ),
  );
  return {
    snapshot,
    packs: made.filter(({ pack }) => needed.has(pack.digest)),
    fingerprints,
    leftOut,
  };
}

/** The rows of the list, in the order of the mount's entries. */
function makeEntries(
  entries: readonly MountEntry[],
  taken: readonly Taken[],
  names: ReadonlyMap<string, ByteString>,
  used: ReadonlyMap<ByteString, number>,
  places: ReadonlyMap<string, ContentPlace>,
): SnapshotEntry[] {
  const files = new Map<ByteString, SnapshotFile>();
  for (const { entry, stats, digest } of taken) {
    const { mode, uid, gid, mtime, size } = stats;
    const place = size === 0 ? { pack: 0, offset: 0, size: 0 } : places.get(digest);
    if (!place) continue;
    const day = toDay(used.get(entry.path) ?? 0);
    const attributes = { mode, uid, gid, mtime };
    files.set(entry.path, {
      type: 'file',
      path: entry.path,
      ...attributes,
      used: day,
      digest,
      place,
    });
  }
  return entries.flatMap((entry): SnapshotEntry[] => {
    const { type, path, stats, target = '' } = entry;
    const { mode, uid, gid, mtime } = stats;
    if (type === 'directory') return [{ type, path, mode, uid, gid, mtime }];
    if (type === 'symlink') return [{ type, path, uid, gid, mtime, target }];
    const file = files.get(path);
    if (file) return [file];
    const first = stats.inode === undefined ? undefined : names.get(stats.inode);
    return first !== undefined && files.has(first) ? [{ type: 'link', path, target: first }] : [];
  });
}
