/**
 * Leases of steps whose turn comes next. While a program runs, there is time to take the lease of the step that stands
 * on it alone. Most often nobody could use that lease: another process that wants the same step needs the one below it
 * first, which this one carries out. But where this one ignores the cache, or has another shared cache, the other one
 * may find the step below. So a lease that was taken early is soon given back: a program that takes longer
 * gains nothing by it.
 */
import type { DefinitionKey } from '../keys/digest.js';
import type { Lease } from '../store/pins/lease.js';
import { isLeaseHeld, releaseLease, tryLease } from '../store/pins/lease.js';
import { useLayers } from '../store/pins/uses.js';
import type { LayerId } from '../store/records.js';
import type { Store } from '../store/store.js';

/** How long a lease is held for a step whose turn has not come. ms */
const PATIENCE_MS = 500;

export interface EarlyLeases {
  /** Takes the step's lease if nobody has it. */
  readonly prepare: (key: DefinitionKey) => void;
  /**
   * The lease that was taken, which is the caller's from now on.
   * @param layers see tryLease
   * @throws LayersGoneError
   */
  readonly take: (key: DefinitionKey, layers: ReadonlySet<LayerId>) => Lease | undefined;
  /** Gives the step's lease back: it was found. */
  readonly drop: (key: DefinitionKey) => void;
  /** Gives back those that no step took: nothing begins any more. */
  readonly close: () => void;
}

export function earlyLeases(store: Store): EarlyLeases {
  const taken = new Map<DefinitionKey, { readonly lease: Lease; readonly timer: NodeJS.Timeout }>();
  let closed = false;
  const forget = (key: DefinitionKey): void => {
    clearTimeout(taken.get(key)?.timer);
    taken.delete(key);
  };
  const drop = (key: DefinitionKey): void => {
    const lease = taken.get(key)?.lease;
    forget(key);
    if (lease) releaseLease(store, lease);
  };
  return {
    prepare(key) {
      if (closed || taken.has(key)) return;
      const lease = tryLease(store, key);
      if (typeof lease === 'number') return;
      const timer = setTimeout(drop, PATIENCE_MS, key).unref();
      taken.set(key, { lease, timer });
    },
    take(key, layers) {
      const lease = taken.get(key)?.lease;
      if (!lease) return undefined;
      useLayers(store, [...layers]);
      forget(key);
      // Who publishes an entry gives back its lease, whichever build of this process has it.
      return isLeaseHeld(store, lease) ? lease : undefined;
    },
    drop,
    close() {
      closed = true;
      for (const key of [...taken.keys()]) drop(key);
    },
  };
}
