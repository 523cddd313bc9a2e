/**
 * Leases: two builds that need the same step run it once, and caches that are used alone. The key
 * is a step's definition key, `pull:` and a diffID, or `mount:` and the name of a directory in mounts/.
 *
 * A process may need one key twice, for two steps that are the same: the second waits for the first.
 * So `leases/` says which process has a lease (lease-links.ts), and the process itself knows which ones
 * it really holds (`held`), and each by itself: with publishing a step its lease is given back, and
 * another step of this process may have it when the first one clears up. One that it has in `leases/`
 * alone was left behind by something that failed: it is void, and no process waits for itself.
 */
import { checkpoint } from '../../util/checkpoint.js';
import type { CacheIndex } from '../index/index-db.js';
import type { Indexed } from '../index/tables.js';
import { getHeld, getTables } from '../index/tables.js';
import { refresh, write } from '../index/transaction.js';
import type { LayerId } from '../records.js';
import type { LeaseOwner } from './lease-links.js';
import { leaseOwner } from './lease-links.js';
import { getPid, type ProcessId } from './live-process.js';
import { useLayers } from './uses.js';

/** How often a lease that another process holds is looked at again. */
const POLL_MS = 20;

/** A lease that this process holds, or held. */
export interface Lease {
  readonly key: string;
}

function getOwner({ leases, self, held }: CacheIndex, key: string): LeaseOwner | undefined {
  const isHeld = (process: ProcessId) =>
    process === self.id ? held.has(key) : self.isAlive(process);
  return leaseOwner(leases, key, isHeld);
}

/** The holder's pid (it may be that of this process); undefined: the lease can be taken. */
function getHolder(index: CacheIndex, key: string): number | undefined {
  const owner = getOwner(index, key);
  return owner?.lives ? getPid(owner.process) : undefined;
}

/**
 * Removes a lease that is void. Two processes that find it void must not both remove it, and with it
 * the lease of the one that was faster: they take turns by a transaction. Where there is none, nothing
 * is removed: its holder has given it back, and another process may take it before the next line.
 */
function removeVoid(index: CacheIndex, key: string): void {
  write(index, () => {
    const owner = getOwner(index, key);
    if (owner ? !owner.lives : index.leases.isOther(key)) index.leases.remove(key);
  });
}

/**
 * Tries to take the lease on a step. A lease whose process is dead is void.
 * @param layers what its holder is going to read: in use by this process from then on
 * @throws LayersGoneError when one of them is not there any more; the lease is not taken then
 * @returns the lease, or the pid of who holds it (it may be this process)
 */
export function tryLease(
  store: Indexed,
  key: string,
  layers: Iterable<LayerId> = [],
): Lease | number {
  const index = getTables(store);
  const seen = getHolder(index, key);
  if (seen !== undefined) return seen;
  // Costs a transaction only if one of them is new to this process.
  useLayers(store, [...layers]);
  while (!index.leases.take(key, index.self.id)) {
    const holder = getHolder(index, key);
    if (holder !== undefined) return holder;
    removeVoid(index, key);
  }
  const lease = { key };
  index.held.set(key, lease);
  // Who held it before has published first: what is read from now on must not be older than that.
  refresh(index);
  checkpoint('lease:taken');
  return lease;
}

/** How a lease is waited for. */
export interface LeaseWait {
  readonly signal: AbortSignal;
  /** See tryLease. */
  readonly layers?: Iterable<LayerId>;
  /** Ends waiting: another process did the work that the lease is for. */
  readonly isDone?: () => boolean;
  /** Called once, if there is anything to wait for. @param pid of the holder */
  readonly onWait?: (pid: number) => void;
}

/**
 * Takes a lease, when its holder has given it back.
 * @returns undefined when `isDone` came true before
 * @throws LayersGoneError; the signal's reason
 */
export async function takeLease(
  store: Indexed,
  key: string,
  wait: LeaseWait,
): Promise<Lease | undefined> {
  const index = getTables(store);
  const { signal, layers = [], isDone = () => false, onWait } = wait;
  for (let announced = false; ; announced = true) {
    signal.throwIfAborted();
    if (isDone()) return undefined;
    const taken = tryLease({ index }, key, layers);
    if (typeof taken !== 'number') return taken;
    if (!announced) onWait?.(taken);
    await new Promise((resume) => setTimeout(resume, POLL_MS));
  }
}

/** Has nobody given it back? */
export function isLeaseHeld(store: Indexed, lease: Lease): boolean {
  return getHeld(store).held.get(lease.key) === lease;
}

/** Gives a lease back, unless that was done. */
export function releaseLease(store: Indexed, lease: Lease): void {
  const { held, leases } = getHeld(store);
  if (!isLeaseHeld(store, lease)) return;
  held.delete(lease.key);
  leases.remove(lease.key);
  checkpoint('lease:released');
}

/**
 * Removes leases that work which failed has left behind, before it begins again. Those that are held stay:
 * another build of this process may be about to publish what it has placed.
 */
export function removeLeftLeases(store: Indexed): void {
  const index = getTables(store);
  for (const { key, process } of index.leases.list())
    if (process === index.self.id && !index.held.has(key)) index.leases.remove(key);
}
