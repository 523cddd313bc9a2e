/**
 * One process at a time opens or closes the index, makes it or replaces it.
 *
 * lmdb sets up its file of locks anew when no other process has it open, and destroys the locks in it
 * when it is closed last. Both happen while other processes wait to open it, and these go on with
 * what they find (mdb_env_setup_locks, mdb_env_close_active): with destroyed mutexes ("Invalid
 * argument"), with an empty file (a segmentation fault) or with the number of no transaction, which
 * damages the index, when the process that was setting it up was killed. Not so if no process waits
 * within lmdb.
 *
 * The lock is a symbolic link to the id of its owner: made by one of many, void when that process is
 * dead.
 */
import { readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { StorePaths } from '../paths.js';
import type { LiveProcess, ProcessId } from '../pins/live-process.js';

/** How long one waits for a process that does not go on (stopped, say). ms */
const PATIENCE_MS = 60_000;

const FULL = new Set<unknown>(['ENOSPC', 'EDQUOT']);

function getCode(error: unknown): unknown {
  return (error as NodeJS.ErrnoException).code;
}

function tryTake(lock: string, id: ProcessId): boolean {
  try {
    symlinkSync(id, lock);
    return true;
  } catch (error) {
    if (getCode(error) === 'EEXIST') return false;
    // On a full disk wiac must start all the same: to remove something.
    if (FULL.has(getCode(error))) return true;
    throw error;
  }
}

function getOwner(path: string): ProcessId | undefined {
  try {
    return readlinkSync(path) as ProcessId;
  } catch (error) {
    if (getCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Does the lock belong to a process that is dead? Before this process asks whether the owner lives, the owner may have
 * released the lock and ended, and another process may have taken it: so the lock is read once more. No id is used
 * twice, so a lock that still has the dead owner's id is void.
 */
function isVoid(lock: string, owner: ProcessId, self: LiveProcess): boolean {
  return !self.isAlive(owner) && getOwner(lock) === owner;
}

/**
 * Removes the lock of a dead owner. Only one process may do that at a time: a late one would remove the lock of a
 * process that has taken it since. The right to do it is a link too, named by the dead owner; when the process that has
 * the right dies, that link is void.
 * @returns false when another process has the right
 */
function removeVoid(lock: string, owner: ProcessId, self: LiveProcess): boolean {
  const right = `${lock}.${owner}`;
  if (!tryTake(right, self.id)) {
    const other = getOwner(right);
    if (other !== undefined && isVoid(right, other, self)) rmSync(right, { force: true });
    return false;
  }
  try {
    if (getOwner(lock) === owner) rmSync(lock, { force: true });
  } finally {
    rmSync(right, { force: true });
  }
  return true;
}

/**
 * Does something while no other process opens, closes or replaces the index. A process that has waited for
 * a minute goes on without: the owner is stopped, and in all likelihood not at the worst place.
 */
export async function withIndexLock<T>(
  { live, self }: StorePaths,
  action: () => T | Promise<T>,
): Promise<T> {
  const lock = join(live, 'index-lock');
  const deadline = performance.now() + PATIENCE_MS;
  while (!tryTake(lock, self.id)) {
    const owner = getOwner(lock);
    if (owner === undefined) continue;
    if (isVoid(lock, owner, self) && removeVoid(lock, owner, self)) continue;
    if (performance.now() > deadline) break;
    await new Promise((resume) => setTimeout(resume, 1 + Math.random() * 4));
  }
  try {
    return await action();
  } finally {
    if (getOwner(lock) === self.id) rmSync(lock, { force: true });
  }
}
