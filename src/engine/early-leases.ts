/**
 * Leases of steps whose turn comes next. While a program runs, there is time to take the lease of the step that stands
 * on it alone. Nobody waits for such a lease in vain: another process that wants the same step needs the one below it
 * first, which this one carries out.
 */
import type { DefinitionKey } from '../keys/digest.js';
import type { Lease } from '../store/pins/lease.js';
import { releaseLease, tryLease } from '../store/pins/lease.js';
import { useLayers } from '../store/pins/uses.js';
import type { LayerId } from '../store/records.js';
import type { Store } from '../store/store.js';

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
  const taken = new Map<DefinitionKey, Lease>();
  let closed = false;
  return {
    prepare(key) {
      if (closed || taken.has(key)) return;
      const lease = tryLease(store, key);
      if (typeof lease !== 'number') taken.set(key, lease);
    },
    take(key, layers) {
      const lease = taken.get(key);
      if (!lease) return undefined;
      useLayers(store, [...layers]);
      taken.delete(key);
      return lease;
    },
    drop(key) {
      const lease = taken.get(key);
      if (lease) releaseLease(store, lease);
      taken.delete(key);
    },
    close() {
      closed = true;
      for (const lease of taken.values()) releaseLease(store, lease);
      taken.clear();
    },
  };
}
