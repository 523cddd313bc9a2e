/** Notices that the index is damaged: when the store is opened, or by what lmdb says. */
import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StoreError } from '../../util/errors.js';
import { auditIndex, glanceAtIndex } from '../index/index-audit.js';
import { openEnvironment } from '../index/index-db.js';
import type { StoreDirectories, StorePaths } from '../paths.js';

/** lmdb met something that should not be; the next start looks at the whole index. */
export class IndexDamagedError extends StoreError {
  constructor(root: string, cause: Error) {
    super(`the index of the store ${root} can't be read: ${cause.message}`, {
      hint: 'run the command again: wiac rebuilds a damaged index from the record files',
      cause,
    });
  }
}

/**
 * What lmdb.h says of a damaged file, or of an environment that has met one: PAGE_NOTFOUND,
 * CORRUPTED, PANIC, VERSION_MISMATCH, INVALID, CURSOR_FULL, PAGE_FULL, BAD_RSLOT, BAD_TXN, PROBLEM.
 */
const DAMAGE_CODES = new Set<unknown>([
  -30797, -30796, -30795, -30794, -30793, -30787, -30786, -30783, -30782, -30779,
]);

/** Is it lmdb that says so, and may the index be damaged? */
export function speaksOfDamage(error: unknown): error is Error {
  return error instanceof Error && DAMAGE_CODES.has((error as { code?: unknown }).code);
}

function suspicion({ live }: StoreDirectories): string {
  return join(live, 'index-suspect');
}

/** Makes the next start look at the whole index. */
export function suspectIndex(paths: StoreDirectories): void {
  writeFileSync(suspicion(paths), '');
}

/** Looks at everything, and if need be once more while no process can write. */
async function auditAll(paths: StorePaths, file: string): Promise<string | undefined> {
  const problem = auditIndex(file);
  if (problem === undefined || paths.self.others().length === 0) return problem;
  const environment = openEnvironment(paths.index);
  try {
    return environment.transactionSync(() => auditIndex(file));
  } finally {
    await environment.close();
  }
}

/**
 * Looks whether the index can be opened: at its beginning and its length; and at all of it when a
 * process of this store has died, which may be lmdb's doing, or when lmdb has complained.
 * The caller has the index lock.
 * @returns the damage; undefined when there is none
 */
export async function findDamage(paths: StorePaths): Promise<string | undefined> {
  const file = join(paths.index, 'data.mdb');
  const folder = statSync(paths.index, { throwIfNoEntry: false });
  if (folder && !folder.isDirectory()) return 'is no directory';
  const stats = statSync(file, { throwIfNoEntry: false });
  if ((stats?.size ?? 0) === 0) return 'is gone';
  if (!stats?.isFile()) return 'is no file';
  const glance = glanceAtIndex(file);
  if (glance !== undefined) return glance;
  const isSuspect = existsSync(suspicion(paths));
  if (!isSuspect && !paths.self.foundDead) return undefined;
  const problem = await auditAll(paths, file);
  if (isSuspect) rmSync(suspicion(paths), { force: true });
  return problem;
}
