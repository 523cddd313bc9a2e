/**
 * Leases: two builds that need the same step run it once, and caches that are used alone. The key
 * is a step's definition key, or `mount:` and the name of a directory in mounts/.
 */
import type { CacheIndex } from './index-db.js';
import { isAlive, ownIdentity } from './process-identity.js';
import type { LeaseRecord } from './records.js';

/**
 * Tries to take the lease on a step. A lease whose process is gone is void.
 * @returns undefined when it was taken, else the pid of who holds it (it may be this process)
 */
export function tryLease(index: CacheIndex, key: string): number | undefined {
  return index.environment.transactionSync(() => {
    const holder = index.leases.get(key);
    if (holder && isAlive(holder)) return holder.pid;
    index.leases.putSync(key, ownIdentity());
    return undefined;
  });
}

/** Takes the leases of processes that are gone out of the index. */
export function sweepLeases(index: CacheIndex): void {
  const isVoid = ({ value }: { readonly value: LeaseRecord }) => !isAlive(value);
  if (![...index.leases.getRange()].some(isVoid)) return;
  index.environment.transactionSync(() => {
    for (const { key } of [...index.leases.getRange()].filter(isVoid)) index.leases.removeSync(key);
  });
}

/** Gives a lease back. */
export function releaseLease(index: CacheIndex, key: string): void {
  index.leases.removeSync(key);
}
