/** What is in the cache mounts that are to travel, and which files there is room for. */
import type { FoundFile, MountEntry } from '../../fs/mounts/scan-mount.js';
import { rootAttributes, scanMount } from '../../fs/mounts/scan-mount.js';
import { chooseRecent, lastUse } from '../../shared-cache/mounts/choose-files.js';
import { fromDay } from '../../shared-cache/mounts/compact-packs.js';
import type { ListedMount, SnapshotFile } from '../../shared-cache/mounts/snapshot.js';
import { mountPath } from '../../store/pins/cache-mounts.js';
import type { Store } from '../../store/store.js';
import type { ByteString } from '../../util/byte-string.js';
import type { MountNotes } from './mount-notes.js';
import { entryFinder, readNotes } from './mount-notes.js';

/** A mount of this store as it was found. */
export interface SurveyedMount {
  readonly name: string;
  readonly id: string;
  /** Path of its directory. */
  readonly path: string;
  readonly root: ListedMount['root'];
  readonly entries: readonly MountEntry[];
  /** For each entry: the file of the last snapshot, if this one is it and has not changed since. */
  readonly unchanged: readonly (SnapshotFile | undefined)[];
  readonly notes: MountNotes | undefined;
  /** Began to look at it: ms since the epoch. */
  readonly seenAt: number;
}

/** Looks at a mount. @throws the file system's errors */
export async function surveyMount(store: Store, name: string, id: string): Promise<SurveyedMount> {
  const path = mountPath(store, name);
  const notes = readNotes(store, name);
  const seenAt = Date.now();
  const entries = await scanMount(path);
  const unchanged = findUnchanged(notes, entries);
  return { name, id, path, root: rootAttributes(path), entries, unchanged, notes, seenAt };
}

function findUnchanged(notes: MountNotes | undefined, entries: readonly MountEntry[]) {
  const noted = notes?.snapshot.entries ?? [];
  const find = entryFinder(noted);
  return entries.map((found) => {
    const at = found.type === 'file' ? find(found.path) : -1;
    const entry = noted[at];
    const isSame = found.type === 'file' && notes?.fingerprints[at] === found.fingerprint;
    return isSame && entry?.type === 'file' ? entry : undefined;
  });
}

/** When the file at a place was used last: ms since the epoch. */
export function fileUse({ unchanged, seenAt }: SurveyedMount, at: number, file: FoundFile): number {
  const { used } = unchanged[at] ?? {};
  const before = used === undefined ? undefined : fromDay(used);
  const { atimeMs, mtimeMs, ctimeMs } = file;
  return lastUse({ atimeMs, mtimeMs, ctimeMs, before, now: seenAt });
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
  return mount.entries.flatMap((file, at) => {
    if (file.type !== 'file') return [];
    const { inode, size: bytes, path } = file;
    // Further names of a file take no room, and stay with it.
    if (inode !== undefined && seen.has(inode)) return [];
    if (inode !== undefined) seen.add(inode);
    return [{ bytes, used: fileUse(mount, at, file), mount, path }];
  });
}

function sizeOf({ entries }: SurveyedMount): number {
  return entries.reduce((sum, entry) => sum + (entry.type === 'file' ? entry.size : 0), 0);
}

/** The mount without some of its files, under any of their names. */
function without(mount: SurveyedMount, paths: ReadonlySet<ByteString>): SurveyedMount {
  const inodes = new Set<string>();
  for (const entry of mount.entries)
    if (entry.type === 'file' && entry.inode !== undefined && paths.has(entry.path))
      inodes.add(entry.inode);
  const stays = (entry: MountEntry) =>
    entry.type !== 'file' ||
    !(paths.has(entry.path) || (entry.inode !== undefined && inodes.has(entry.inode)));
  const places = mount.entries.map(stays);
  return {
    ...mount,
    entries: mount.entries.filter((_, at) => places[at]),
    unchanged: mount.unchanged.filter((_, at) => places[at]),
  };
}

/**
 * Leaves out the files that were not used for longest, until the rest is no larger than the bound.
 * A mount that is not here goes as a whole.
 * @param most bytes of all mounts together
 */
export function boundMounts({ surveys, former }: KeptMounts, most: number): KeptMounts {
  const elsewhere = former.map((mount): Candidate => {
    const { bytes, created: used } = mount;
    return { bytes, used, mount, path: undefined };
  });
  const total = [...elsewhere.map(({ bytes }) => bytes), ...surveys.map(sizeOf)];
  if (total.reduce((sum, bytes) => sum + bytes, 0) <= most) return { surveys, former };
  const all = [...elsewhere, ...surveys.flatMap(candidatesOf)];
  const chosen = chooseRecent(all, most);
  const gone = new Map<SurveyedMount | ListedMount, Set<ByteString>>();
  for (const candidate of all) {
    if (chosen.has(candidate)) continue;
    const paths = gone.get(candidate.mount) ?? new Set();
    gone.set(candidate.mount, paths.add(candidate.path ?? ''));
  }
  return {
    former: former.filter((mount) => !gone.has(mount)),
    surveys: surveys.map((mount) => without(mount, gone.get(mount) ?? new Set())),
  };
}
