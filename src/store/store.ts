/** Opens the store: makes its folders, checks its format version, opens the index. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { ExpansionLimits } from '../oci/tar/expansion-limit.js';
import { DEFAULT_LIMITS } from '../oci/tar/expansion-limit.js';
import { NoSpaceError, StoreError, WiacError } from '../util/errors.js';
import { makeDirectories } from '../util/make-directories.js';
import { saysFull } from '../util/no-space.js';
import { asLimitError, requireFileSize } from '../util/open-files.js';
import type { Users } from '../util/user-namespace.js';
import { areAll } from '../util/user-namespace.js';
import { closeToOthers } from './close-to-others.js';
import { createStore, ensureFolders, writeVersion } from './create-store.js';
import type { CacheIndex } from './index/index-db.js';
import { openIndex } from './index/index-db.js';
import { withIndexLock } from './index/index-lock.js';
import type { StoreIndex } from './index/tables.js';
import { getHeld, getTables } from './index/tables.js';
import { transact } from './index/transaction.js';
import type { StorePaths } from './paths.js';
import { storePaths } from './paths.js';
import type { LiveProcess } from './pins/live-process.js';
import { joinStore } from './pins/live-process.js';
import type { SyncMode } from './recovery/durability.js';
import { findDamage, IndexDamagedError, speaksOfDamage } from './recovery/index-damage.js';
import type { Rebuilt } from './recovery/rebuild-index.js';
import { rebuildIndex } from './recovery/rebuild-index.js';
import type { LostWork } from './recovery/recovery.js';
import { recoverStore } from './recovery/recovery.js';
import { readUsers, requireFaithfulCopy } from './recovery/sample.js';
import { readSession } from './recovery/session.js';
import { isUpgradable, upgradeStore } from './recovery/upgrade.js';
import { noteOwnMarks, requireOwnMarks } from './require-own-marks.js';
import { requireOwnParts } from './require-own-parts.js';
import { requireOwnPlace } from './require-own-place.js';

/** Version of cache-format.md that this code reads and writes. */
export const FORMAT_VERSION = 8;

/** An open store. */
export interface Store {
  readonly paths: StorePaths;
  /** The index. Only store/ can look into it. */
  readonly index: StoreIndex;
  readonly sync: SyncMode;
  /** Limits for layers and archives that come from elsewhere. */
  readonly limits: ExpansionLimits;
  /** What had to be dropped, because the machine, or the disk, went down before it was on disk. */
  readonly lost: LostWork | undefined;
  /** The index was damaged and had to be made again. */
  readonly rebuilt: Rebuilt | undefined;
  /** Who is in the user namespace of its steps; undefined: all that they ask for. */
  readonly users: Users | undefined;
}

function readVersion(path: string): number | undefined {
  try {
    return Number(readFileSync(path, 'utf8').trim());
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** A read-only file system, or another one; a disk that gives errors, a file system that was shut down or is damaged. */
const UNUSABLE = new Set(['EROFS', 'EXDEV', 'EIO', 'EUCLEAN']);
/** The numbers of EIO, EROFS and EUCLEAN, as lmdb gives them. */
const UNUSABLE_INDEX = new Set<unknown>([5, 30, 117]);

/** Can a part of the store not be written to? */
function isUnwritable(root: string, error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  const { code, path, dest }: NodeJS.ErrnoException & { readonly dest?: string } = error;
  if (UNUSABLE_INDEX.has(code)) return true;
  if (code === undefined || !UNUSABLE.has(code)) return false;
  return [path, dest].some((place) => place?.startsWith(`${root}/`));
}

/** What the file system or lmdb says, as a typed error where there is one. */
export function asStoreError(root: string, error: unknown): unknown {
  const limit = asLimitError(error);
  if (limit) return limit;
  if (speaksOfDamage(error)) return new IndexDamagedError(root, error);
  if (isUnwritable(root, error)) {
    return new StoreError(`the store ${root} can't be written to: ${error.message}`, {
      hint: 'it has to be as a whole on one file system, which must not be read-only; a disk with errors becomes that (dmesg)',
      cause: error,
    });
  }
  if (error instanceof WiacError || !saysFull(error)) return error;
  return new NoSpaceError(`no space left in the store ${root}`, {
    hint: 'free some space (wiac cache du shows what the cache holds), or set WIAC_ROOT',
    cause: error,
  });
}

/** @throws StoreError for a store that this wiac can't read */
function checkVersion(root: string, version: number | undefined): void {
  if (version === undefined || version === FORMAT_VERSION || isUpgradable(version)) return;
  throw new StoreError(
    `the store ${root} has format version ${version}, this wiac knows version ${FORMAT_VERSION}`,
    {
      hint:
        version < FORMAT_VERSION
          ? `this wiac can't use its cache: remove it (rm -r ${root}), or set WIAC_ROOT to another directory`
          : 'use the wiac that made it, or another store: set WIAC_ROOT',
    },
  );
}

/** Makes the store, or brings it up to date, and opens its index, while no other process does so. */
async function openLocked(
  paths: StorePaths,
): Promise<Pick<Store, 'rebuilt'> & { readonly index: CacheIndex }> {
  const version = readVersion(paths.version);
  checkVersion(paths.root, version);
  if (version === undefined) await createStore(paths, `${FORMAT_VERSION}\n`);
  else {
    ensureFolders(paths);
    noteOwnMarks(paths);
    await requireFaithfulCopy(paths);
  }
  const damage = await findDamage(paths);
  const rebuilt = damage === undefined ? undefined : await rebuildIndex(paths, damage);
  const index = openIndex(paths);
  // To open it may have set back what others see of it.
  if (paths.self.others().length > 0) transact(index, () => {});
  if (version !== undefined && version !== FORMAT_VERSION) {
    await upgradeStore(paths, index, version);
    writeVersion(paths, `${FORMAT_VERSION}\n`);
  }
  return { index, rebuilt };
}

/**
 * Opens a store and makes it if it is not there.
 * @throws StoreError when its format is newer, it can't be written, another user made it or it is
 *   something else, PidTakenError; NoSpaceError; LimitError
 */
export async function openStore(
  root: string,
  sync: SyncMode = 'batch',
  limits: ExpansionLimits = DEFAULT_LIMITS,
): Promise<Store> {
  // The process may go to another directory while it is open.
  const directories = storePaths(resolve(root));
  let self: LiveProcess | undefined;
  try {
    requireFileSize();
    checkVersion(root, readVersion(directories.version));
    makeDirectories(dirname(directories.root), 0o755);
    makeDirectories(directories.root, 0o700);
    // Behind that: somebody may be faster than we are.
    requireOwnPlace(directories.root);
    requireOwnParts(directories);
    requireOwnMarks(directories);
    closeToOthers(directories);
    self = await joinStore(directories);
    const paths = { ...directories, self, session: readSession(directories.root) };
    const { index, rebuilt } = await withIndexLock(paths, () => openLocked(paths));
    self.sweep();
    const users = readUsers(paths);
    return {
      ...{ paths, index, sync, limits, rebuilt, lost: recoverStore(index, paths) },
      users: users && !areAll(users) ? users : undefined,
    };
  } catch (error) {
    self?.leave();
    const typed = asStoreError(root, error);
    if (typed instanceof WiacError) throw typed;
    throw new StoreError(`the store ${root} can't be opened: ${(error as Error).message}`, {
      hint:
        (error as NodeJS.ErrnoException).code === 'ENOSYS'
          ? 'the kernel lacks what wiac needs, or something hides it: see wiac doctor'
          : 'check its owner and mode, or use another store: set WIAC_ROOT',
      cause: error,
    });
  }
}

/**
 * Closes the index; whatever was written is committed before. Its process uses nothing any more: what still does, fails. One
 * that is closed stays so.
 * @throws StoreError when the store is not where it was
 */
export async function closeStore(store: Store): Promise<void> {
  if (getHeld(store).closed) return;
  const { paths } = store;
  const tables = getTables(store);
  const { files, environment } = tables;
  try {
    await withIndexLock(paths, () => {
      tables.closed = true;
      return environment.close();
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw asStoreError(paths.root, error);
    throw new StoreError(`the store ${paths.root} was moved or removed while it was in use`, {
      hint: 'run the command again when nobody does so',
      cause: error,
    });
  }
  files.close();
  tables.newest.close();
  paths.self.leave();
}
