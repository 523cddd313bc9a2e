/** The packs that a snapshot needs, and no others. Pure. */
import type { Pack, Snapshot, SnapshotEntry } from './snapshot.js';

/** Leaves out packs without a content that is needed, and numbers the others anew. */
export function compactPacks(packs: readonly Pack[], entries: readonly SnapshotEntry[]): Snapshot {
  const numbers = new Map<number, number>();
  const needed = new Set<number>();
  for (const entry of entries)
    if (entry.type === 'file' && entry.place.size > 0) needed.add(entry.place.pack);
  for (const pack of [...needed].sort((a, b) => a - b)) numbers.set(pack, numbers.size);
  return {
    packs: [...numbers.keys()].flatMap((pack) => packs[pack] ?? []),
    entries: entries.map((entry) => {
      if (entry.type !== 'file') return entry;
      const pack = numbers.get(entry.place.pack) ?? 0;
      // Most stay as they are, and are the same objects: there are many.
      return pack === entry.place.pack ? entry : { ...entry, place: { ...entry.place, pack } };
    }),
  };
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** Days since the epoch. */
export function toDay(ms: number): number {
  return Math.floor(ms / DAY_MS);
}

/** The beginning of a day: ms since the epoch. */
export function fromDay(day: number): number {
  return day * DAY_MS;
}

/**
 * Is there anything in the one that the other does not say? When files were used is worth a new
 * snapshot only where it says another day.
 */
export function isSameSnapshot(a: Snapshot, b: Snapshot): boolean {
  return (
    a.entries.length === b.entries.length &&
    a.packs.length === b.packs.length &&
    a.packs.every(({ digest }, at) => digest === b.packs[at]?.digest) &&
    a.entries.every((entry, at) => isSameEntry(entry, b.entries[at]))
  );
}

function isSameEntry(a: SnapshotEntry, b: SnapshotEntry | undefined): boolean {
  if (a === b) return true;
  if (b === undefined || a.type !== b.type || a.path !== b.path) return false;
  if (a.type === 'link') return b.type === 'link' && a.target === b.target;
  if (b.type === 'link') return false;
  const sameTime =
    a.mtime.seconds === b.mtime.seconds && a.mtime.nanoseconds === b.mtime.nanoseconds;
  if (!sameTime || a.uid !== b.uid || a.gid !== b.gid) return false;
  if (a.type === 'symlink') return b.type === 'symlink' && a.target === b.target;
  if (b.type === 'symlink' || a.mode !== b.mode) return false;
  if (a.type === 'directory' || b.type === 'directory') return true;
  return a.digest === b.digest && a.used === b.used;
}
