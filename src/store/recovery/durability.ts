/**
 * What a power cut may take. The kernel writes a layer's files back when it likes, the index is on
 * disk with every transaction: after a power cut an entry could speak of files that are empty.
 *
 * Waiting for the disk before every entry would be right but slow (syncfs(2) waits for all that is
 * dirty, once a step), and fsync(2) of 20,000 files slower still. So an entry is published with a
 * mark that names the session it was made in (session.ts); one syncfs at the end of the build puts everything on
 * disk (or what has a mark alone: own-sync.ts), then the marks go. A process that opens the store in
 * another session and finds a mark knows that the machine, or the disk, went down before that sync, and drops what the
 * mark is on: such a step runs again. Within one session a mark means nothing, because what a killed process wrote is
 * in the kernel's hands.
 *
 * Nothing is hashed, and a build in which every step is cached only reads a table that is empty.
 */
import { syncFileSystemOf } from '../../native/store-files.js';
import { checkpoint } from '../../util/checkpoint.js';
import { NoSpaceError, StoreError, UsageError } from '../../util/errors.js';
import type { CacheIndex } from '../index/index-db.js';
import { noteSynced, parseMark } from '../index/record-files.js';
import { getTables } from '../index/tables.js';
import { write } from '../index/transaction.js';
import type { LayerId } from '../records.js';
import type { Store } from '../store.js';
import { syncOwn } from './own-sync.js';
import { sinceBoot } from './session.js';

/** full: one sync a step; batch: one sync a build; none: never, a reboot drops what was made. */
export type SyncMode = 'full' | 'batch' | 'none';

const MODES: readonly SyncMode[] = ['full', 'batch', 'none'];

/** $WIAC_SYNC, `batch` by default. @throws UsageError */
export function syncMode(environment: NodeJS.ProcessEnv): SyncMode {
  const text = environment.WIAC_SYNC || 'batch';
  const mode = MODES.find((known) => known === text);
  if (mode) return mode;
  throw new UsageError(`WIAC_SYNC=${text} is not a mode`, { hint: `use ${MODES.join(', ')}` });
}

/** Key of a layer's mark. */
export function layerMark(id: LayerId): string {
  return `layer:${id}`;
}

/** Key of a blob's mark. @param digest begins with `sha256:` */
export function blobMark(digest: string): string {
  return `blob:${digest}`;
}

/** Marks something as not certainly on disk; in the transaction that makes it visible. */
export function markUnsynced(index: CacheIndex, mark: string): void {
  index.unsynced.putSync(mark, index.session);
}

/** @param action fails with the file system's errors @throws NoSpaceError, StoreError in their place */
async function explained<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      throw new NoSpaceError(`no space left in the store ${path}`, {
        hint: 'free some space (wiac cache du shows what the cache holds), or set WIAC_ROOT',
        cause: error,
      });
    }
    throw new StoreError(`the store ${path} can't be written to disk: ${message}`, {
      hint: 'look at dmesg for errors of the disk; WIAC_SYNC=none builds without waiting for it',
      cause: error,
    });
  }
}

/** Everything on the file system is on disk when this resolves (syncfs(2)). */
export async function syncFileSystem(path: string): Promise<void> {
  await explained(path, () => syncFileSystemOf(path));
}

/**
 * Puts what was published on disk and takes its marks away, those of other processes as well.
 * @param needed only if one of these layers has a mark; undefined: whatever has one
 * @throws NoSpaceError, StoreError when the file system reports an error
 */
export async function settle(store: Store, needed?: Iterable<LayerId>): Promise<void> {
  const { paths, sync } = store;
  const index = getTables(store);
  if (sync === 'none') return;
  // Only what is marked before the sync begins is on disk when it ends.
  const marks = new Set([...index.unsynced.getRange()].map(({ key }) => key));
  const due =
    needed === undefined
      ? [...marks].some((mark) => parseMark(mark) === undefined)
      : [...needed].some((id) => marks.has(layerMark(id)));
  if (!due) return;
  const began = sinceBoot();
  if (!(await explained(paths.root, () => syncOwn(paths, index, marks)))) {
    await syncFileSystem(paths.root);
    // Records that others have drafted, and not published yet, are on disk as well.
    noteSynced(paths, began);
  }
  checkpoint('sync:done');
  write(index, () => {
    for (const mark of marks) index.unsynced.removeSync(mark);
  });
  index.fresh.clear();
  checkpoint('sync:noted');
}

/** settle after each step, where WIAC_SYNC=full asks for it. */
export async function settleStep(store: Store): Promise<void> {
  if (store.sync === 'full') await settle(store);
}
