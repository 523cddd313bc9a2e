/** `wiac cache mounts export` and `import`: cache mounts without a build. */
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { removeTree } from '../../fs/remove-tree.js';
import type { EntryList } from '../../shared-cache/entry-list.js';
import { LIST_VERSION } from '../../shared-cache/entry-list.js';
import type { ListedMount } from '../../shared-cache/mounts/snapshot.js';
import { removeMounts } from '../../store/gc/remove-mounts.js';
import { mountPath, mountRecords, useMount } from '../../store/pins/cache-mounts.js';
import type { Store } from '../../store/store.js';
import { NotFoundError, UsageError } from '../../util/errors.js';
import type { CacheTarget } from '../exports/export-cache.js';
import type { CacheSource } from '../shared-cache.js';
import type { MountSession } from './gather-mounts.js';
import { gatherMounts } from './gather-mounts.js';
import { restoreMount } from './restore-mount.js';

/** Something that can be asked for by the id of a mount, or by its name or the beginning of it. */
interface Named {
  readonly name: string;
  readonly id: string;
}

/** Digits of a name that have to be given. */
const LEAST_DIGITS = 6;

/**
 * The mounts that are meant.
 * @param asked ids and names; none: all mounts
 * @throws NotFoundError when one of them is none
 */
export function findMounts<T extends Named>(mounts: readonly T[], asked: readonly string[]): T[] {
  if (asked.length === 0) return [...mounts];
  const found = new Set<T>();
  for (const text of asked) {
    const isMeant = ({ name, id }: T) =>
      id === text || (text.length >= LEAST_DIGITS && name.startsWith(text));
    const meant = mounts.filter(isMeant);
    if (meant.length === 0)
      throw new NotFoundError(`there is no cache mount ${text}`, {
        hint: 'wiac cache mounts ls shows what there is',
      });
    for (const mount of meant) found.add(mount);
  }
  return mounts.filter((mount) => found.has(mount));
}

const NO_ENTRIES: EntryList = { version: LIST_VERSION, layers: [], entries: [] };

/**
 * Writes mounts of this store into a shared cache, whose entries stay.
 * @param asked as findMounts has them
 * @returns what the cache has of them now
 * @throws NotFoundError, ImageError, NoSpaceError
 */
export async function exportMounts(
  session: MountSession,
  target: CacheTarget,
  asked: readonly string[],
): Promise<readonly ListedMount[]> {
  const { mounts, compression, write } = target;
  if (!mounts) throw new UsageError(`${target.title} has no room for cache mounts`);
  // Copies that steps have alone at the same time stay: one of them is the mount.
  const all = mountRecords(session.store).filter(({ name }) => !name.includes('.'));
  const wanted = findMounts(all, asked).map((mount) => ({ ...mount, alone: true }));
  const place = await mounts.open();
  try {
    const selection = { ...mounts.selection, ids: 'all' } as const;
    const outgoing = await gatherMounts(session, wanted, selection, place, compression);
    const { list = NO_ENTRIES, layers = [] } = place.cache ?? {};
    await write({ list, layers, mounts: outgoing }, session.store);
    const names = new Set(wanted.map(({ name }) => name));
    const { taken, kept } = outgoing;
    return [...taken, ...kept].filter(({ name }) => names.has(name));
  } finally {
    await place.close();
  }
}

/** What became of a mount that was to be imported. */
export interface ImportedMount {
  readonly mount: ListedMount;
  /** `kept`: there is one here. `in use`: a process uses the one that was to be replaced. */
  readonly outcome: 'imported' | 'kept' | 'in use';
}

/** Moves a mount to its place. @returns false when another one is there by now */
function placeMount(store: Store, { name, id }: ListedMount, draft: string): boolean {
  useMount(store, name, id);
  try {
    renameSync(draft, mountPath(store, name));
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    return false;
  }
}

/**
 * Brings mounts of a shared cache into this store.
 * @param asked as findMounts has them
 * @param replace those that are here; else they are kept
 * @throws NotFoundError, ImageError, NoSpaceError
 */
export async function importMounts(
  session: MountSession,
  source: CacheSource,
  asked: readonly string[],
  replace: boolean,
): Promise<ImportedMount[]> {
  const { store, scratch } = session;
  const { list, openBlob } = await source.read();
  const { title, mounts } = source;
  const results: ImportedMount[] = [];
  for (const mount of findMounts(list.mounts ?? [], asked)) {
    const { name } = mount;
    const isHere = existsSync(mountPath(store, name));
    if (isHere && !replace) {
      results.push({ mount, outcome: 'kept' });
      continue;
    }
    const draft = join(scratch(), `import-${name}`);
    mkdirSync(draft);
    const from = { title, list, openBlob, mounts, required: true };
    await restoreMount(session, [from], name, draft);
    const mayPlace = !isHere || removeMounts(store, [name]).length > 0;
    const isPlaced = mayPlace && placeMount(store, mount, draft);
    if (!isPlaced) removeTree(draft);
    results.push({ mount, outcome: isPlaced ? 'imported' : 'in use' });
  }
  return results;
}
