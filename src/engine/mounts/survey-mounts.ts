/** What is in the cache mounts that are to travel, and which files there is room for. */
import type { MountEntry, ScannedGroup } from '../../fs/mounts/scan-mount.js';
import { allEntries, rootAttributes, scanMount } from '../../fs/mounts/scan-mount.js';
import { chooseRecent } from '../../shared-cache/mounts/choose-files.js';
import type { ListedMount } from '../../shared-cache/mounts/snapshot.js';
import { isUsedElsewhere, mountPath } from '../../store/pins/cache-mounts.js';
import type { Store } from '../../store/store.js';
import type { ByteString } from '../../util/byte-string.js';
import type { MountNotes } from './mount-notes.js';
import { entryFinder, notedSnapshot, readNotes, settledTime } from './mount-notes.js';
import { isFile } from './row-table.js';
import type { SurveyedEntry } from './take-rows.js';
import { fileUse } from './take-rows.js';

/** A mount of this store as it was found. */
export interface SurveyedMount {
  readonly name: string;
  readonly id: string;
  /** Path of its directory. */
  readonly path: string;
  readonly root: ListedMount['root'];
  readonly groups: readonly ScannedGroup[];
  /** Everything that is to travel; made when it is first asked for. */
  readonly files: () => readonly SurveyedEntry[];
  /** Is nothing of it left out? */
  readonly isWhole: boolean;
  readonly notes: MountNotes | undefined;
  /** Began to look at it: ms since the epoch. */
  readonly seenAt: number;
  /** What was changed later may be changed again without another time of change: ms since the epoch. */
  readonly settledAt: number;
}

/** Looks at a mount of this store. @throws the file system's errors, IsolationError */
export function surveyMount(store: Store, name: string, id: string): Promise<SurveyedMount> {
  const mount = { name, id, path: mountPath(store, name) };
  return surveyDirectory(mount, readNotes(store, name), isUsedElsewhere(store, name));
}

/**
 * Looks at a directory as at a mount.
 * @param isInUse other processes may be writing to it
 * @throws the file system's errors, IsolationError
 */
export async function surveyDirectory(
  mount: Pick<SurveyedMount, 'name' | 'id' | 'path'>,
  notes: MountNotes | undefined,
  isInUse = false,
): Promise<SurveyedMount> {
  const seenAt = Date.now();
  const groups = await scanMount(mount.path);
  let found: readonly SurveyedEntry[] | undefined;
  const files = () => {
    found ??= findUnchanged(notes, allEntries(groups));
    return found;
  };
  return {
    ...mount,
    root: rootAttributes(mount.path),
    groups,
    files,
    isWhole: true,
    notes,
    seenAt,
    settledAt: settledTime(seenAt, isInUse),
  };
}

function findUnchanged(
  notes: MountNotes | undefined,
  entries: readonly MountEntry[],
): SurveyedEntry[] {
  if (!notes) return entries.map((entry) => ({ entry, unchanged: undefined }));
  const noted = notedSnapshot(notes).entries;
  const find = entryFinder(noted);
  return entries.map((entry) => {
    const row = entry.type === 'file' ? find(entry.path) : -1;
    const isSame = entry.type === 'file' && row >= 0 && isFile(notes.table, row, entry);
    const file = isSame ? noted[row] : undefined;
    return { entry, unchanged: file?.type === 'file' ? file : undefined };
  });
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
  return mount.files().flatMap(({ entry, unchanged }) => {
    if (entry.type !== 'file') return [];
    const { inode, size: bytes, path } = entry;
    // Further names of a file take no room, and stay with it.
    if (inode !== undefined && seen.has(inode)) return [];
    if (inode !== undefined) seen.add(inode);
    return [{ bytes, used: fileUse(entry, unchanged, mount.seenAt), mount, path }];
  });
}

function sizeOf({ groups }: SurveyedMount): number {
  return groups.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** The mount without some of its files, under any of their names. */
function without(mount: SurveyedMount, paths: ReadonlySet<ByteString>): SurveyedMount {
  if (paths.size === 0) return mount;
  const inodes = new Set<string>();
  for (const { entry } of mount.files())
    if (entry.type === 'file' && entry.inode !== undefined && paths.has(entry.path))
      inodes.add(entry.inode);
  const stays = ({ entry }: SurveyedEntry) =>
    entry.type !== 'file' ||
    !(paths.has(entry.path) || (entry.inode !== undefined && inodes.has(entry.inode)));
  const files = mount.files().filter(stays);
  return { ...mount, files: () => files, isWhole: false };
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
