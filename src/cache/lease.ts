/**
 * Leases: two builds that need the same step run it once, and caches that are used alone. The key
 * is a step's definition key, or `mount:` and the name of a directory in mounts/.
 */
import { checkpoint } from '../checkpoint.js';
import type { CacheIndex } from './index-db.js';
import { pidOf } from './live-process.js';
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
  const holder = index.environment.transactionSync(() => {
    const before = index.leases.get(key);
    if (before && index.self.isAlive(before.process)) return pidOf(before.process);
    declareUse(index, { layers });
    index.leases.putSync(key, { process: index.self.id });
    return undefined;
  });
  if (holder === undefined) checkpoint('lease:taken');
  return holder;
}

/** Gives a lease back. */
export function releaseLease(index: CacheIndex, key: string): void {
  index.leases.removeSync(key);
  checkpoint('lease:released');
}
