/** What is in the cache mounts that are to travel, and which files there is room for. */
import type { MountEntry } from '../../fs/mounts/scan-mount.js';
import { scanMount } from '../../fs/mounts/scan-mount.js';
import { chooseRecent, lastUse } from '../../shared-cache/mounts/choose-files.js';
import type { ListedMount } from '../../shared-cache/mounts/snapshot.js';
import { mountPath } from '../../store/pins/cache-mounts.js';
import type { Store } from '../../store/store.js';
import type { ByteString } from '../../util/byte-string.js';
import type { MountNotes } from './mount-notes.js';
import { readNotes } from './mount-notes.js';

const DAY_MS = 24 * 60 * 60 * 1000;

/** A mount of this store as it was found. */
export interface SurveyedMount {
  readonly name: string;
  readonly id: string;
  /** Path of its directory. */
  readonly root: string;
  readonly entries: readonly MountEntry[];
  readonly notes: MountNotes | undefined;
  /** When each file was used last: ms since the epoch. */
  readonly used: ReadonlyMap<ByteString, number>;
  /** Began to look at it: ms since the epoch. */
  readonly seenAt: number;
}

/** The digest of a file's content that the notes know, if it has not changed since. */
export function notedDigests(notes: MountNotes | undefined): Map<ByteString, string> {
  const entries = notes?.snapshot.entries ?? [];
  return new Map(
    entries.flatMap((entry) => (entry.type === 'file' ? [[entry.path, entry.digest]] : [])),
  );
}

/** Looks at a mount. @throws the file system's errors */
export function surveyMount(store: Store, name: string, id: string): SurveyedMount {
  const root = mountPath(store, name);
  const notes = readNotes(store, name);
  const days = new Map(
    (notes?.snapshot.entries ?? []).flatMap((entry) =>
      entry.type === 'file' ? [[entry.path, entry.used]] : [],
    ),
  );
  const seenAt = Date.now();
  const entries = scanMount(root);
  const used = new Map<ByteString, number>();
  for (const { type, path, stats } of entries) {
    if (type !== 'file') continue;
    const day = days.get(path);
    const isUnchanged = notes?.fingerprints.get(path) === stats.fingerprint;
    const before = isUnchanged && day !== undefined ? day * DAY_MS : undefined;
    used.set(path, lastUse({ ...stats, before, now: seenAt }));
  }
  return { name, id, root, entries, notes, used, seenAt };
}

/** What stays of each mount. */
export interface KeptMounts {
  readonly surveys: readonly SurveyedMount[];
  /** Mounts that only the shared cache has. */
  readonly former: readonly ListedMount[];
}

/** One file of a mount that is here, or a mount that is elsewhere. */
interface Candidate {
  readonly bytes: number;
  readonly used: number;
  readonly mount: SurveyedMount | ListedMount;
  readonly path: ByteString | undefined;
}

function candidatesOf(mount: SurveyedMount): Candidate[] {
  const seen = new Set<string>();
  return mount.entries.flatMap(({ type, path, stats }) => {
    // Further names of a file take no room, and stay with it.
    if (type !== 'file' || (stats.inode !== undefined && seen.has(stats.inode))) return [];
    if (stats.inode !== undefined) seen.add(stats.inode);
    return [{ bytes: stats.size, used: mount.used.get(path) ?? 0, mount, path }];
  });
}

/**
 * Leaves out the files that were not used for longest, until the rest is no larger than the bound.
 * A mount that is not here goes as a whole.
 * @param most bytes of all mounts together
 */
export function boundMounts({ surveys, former }: KeptMounts, most: number): KeptMounts {
  const elsewhere = former.map(
    (mount): Candidate => ({
      bytes: mount.bytes,
      used: mount.created,
      mount,
      path: undefined,
    }),
  );
  const all = [...elsewhere, ...surveys.flatMap(candidatesOf)];
  const chosen = chooseRecent(all, most);
  if (chosen.size === all.length) return { surveys, former };
  const gone = new Map<SurveyedMount | ListedMount, Set<ByteString>>();
  for (const candidate of all) {
    if (chosen.has(candidate)) continue;
    const paths = gone.get(candidate.mount) ?? new Set();
    gone.set(candidate.mount, paths.add(candidate.path ?? ''));
  }
  return {
    former: former.filter((mount) => !gone.has(mount)),
    surveys: surveys.map((mount) => {
      const paths = gone.get(mount);
      if (!paths) return mount;
      const inodes = new Set(
        mount.entries.flatMap(({ path, stats }) => (paths.has(path) ? (stats.inode ?? []) : [])),
      );
      const stays = ({ path, stats }: MountEntry) =>
        !paths.has(path) && (stats.inode === undefined || !inodes.has(stats.inode));
      return { ...mount, entries: mount.entries.filter(stays) };
    }),
  };
}
