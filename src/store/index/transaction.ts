/** Write transactions of the index: of all processes one at a time, so they have to be short. */
import { statSync } from 'node:fs';
import { hasNoRoom } from '../../util/disk-room.js';
import { IndexReplacedError } from '../index-replaced.js';
import type { CacheIndex } from './index-db.js';
import { closedError } from './tables.js';

/** Which file is there: differs when another one takes its place. */
export function fileIdentity(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats === undefined ? 'none' : `${stats.dev}:${stats.ino}`;
}

/** EIO: what lmdb says where the kernel has written a part, because the disk is full then. */
const SHORT_WRITE = 5;

/** Asked at once: what is given up next makes room. */
function explained(index: CacheIndex, error: unknown): unknown {
  const { code } = error as { readonly code?: unknown };
  if (code !== SHORT_WRITE || !hasNoRoom(index.file)) return error;
  const cause = error as Error;
  return Object.assign(new Error('no space left for the index', { cause }), { code: 'ENOSPC' });
}

/** The transaction is begun again. */
const AGAIN = Symbol('again');

/**
 * Does something in a write transaction that is based on the newest one: see newest-transaction.ts.
 * @throws whatever the action throws, which undoes the transaction
 */
export function transact<T>(
  { environment, newest }: Pick<CacheIndex, 'environment' | 'newest'>,
  action: () => T,
): T {
  for (;;) {
    try {
      return environment.transactionSync(() => {
        if (!newest.isBase()) throw AGAIN;
        return action();
      });
    } catch (error) {
      if (error !== AGAIN) throw error;
    }
  }
}

/**
 * What is read from now on is no older than what any process had committed before this call: whoever decides
 * by that what to remove, or what to do once more, must not miss it.
 */
export function refresh(index: Pick<CacheIndex, 'environment' | 'newest'>): void {
  // A transaction that does nothing sets the number right, and writes nothing.
  if (!index.newest.isSeen()) transact(index, () => {});
  index.environment.resetReadTxn();
}

/**
 * Does something in a write transaction. Must not be nested: lmdb-js makes a transaction of its own
 * of that, for no use.
 * @throws IndexReplacedError; whatever the action throws, which undoes the transaction
 */
export function write<T>(index: CacheIndex, action: () => T): T {
  if (index.closed) throw closedError();
  let result: T;
  try {
    result = transact(index, () => {
      if (fileIdentity(index.file) !== index.identity) throw new IndexReplacedError();
      return action();
    });
  } catch (error) {
    const reason = explained(index, error);
    index.files.undone();
    throw reason;
  }
  index.files.committed();
  return result;
}
