/**
 * Leases: two builds that need the same step run it once, and caches that are used alone. The key
 * is a step's definition key, or `mount:` and the name of a directory in mounts/.
 */
import type { CacheIndex } from './index-db.js';
import { isAlive, ownIdentity } from './process-identity.js';
import type { LayerId } from './records.js';
import { declareUse } from './uses.js';

/**
 * Tries to take the lease on a step. A lease whose process is gone is void.
 * @param layers what its holder is going to read: in use by this process from then on
 * @throws LayersGoneError when one of them is not there any more; the lease is not taken then
 * @returns undefined when it was taken, else the pid of who holds it (it may be this process)
 */
export function tryLease(
  index: CacheIndex,
  key: string,
  layers: Iterable<LayerId> = [],
): number | undefined {
  return index.environment.transactionSync(() => {
    const holder = index.leases.get(key);
    if (holder && isAlive(holder)) return holder.pid;
    declareUse(index, { layers });
    index.leases.putSync(key, ownIdentity());
    return undefined;
  });
}

/** Gives a lease back. */
export function releaseLease(index: CacheIndex, key: string): void {
  index.leases.removeSync(key);
}
