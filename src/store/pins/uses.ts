/**
 * What running processes use, so that pruning never takes it away.
 *
 * The index has a record for each process with the layers and cache mounts that it must not lose.
 * A process adds to its record in a write transaction in which it also looks whether the layers are
 * still there, and pruning reads all records in the write transaction in which it removes layers
 * from the index. lmdb runs write transactions one after the other, for all processes, so there are
 * two cases: the declaration came first, then pruning sees it and leaves the layers alone; or
 * pruning came first, then the declaration finds them gone and throws LayersGoneError before
 * anything was read from them. Directories are moved and deleted only after the transaction that
 * removed them from the index.
 *
 * A look-up alone declares nothing: it reads the index and no file, and a build with everything
 * cached is only look-ups. It verifies the layers of its result, and declares them if it has outputs, in the one
 * transaction at its end that notes what was used (conclude.ts). A build that has to run a step declares its layers before it takes the
 * step's lease, and a layer that it has made in the transaction that publishes it: so a chain of steps
 * declares what it begins with, and nothing after that. A build that gets LayersGoneError starts
 * over, and `retryWhenPruned` lets nothing be removed during the second try.
 *
 * Leases are no part of the index. Files that are not in the index yet are nevertheless safe: their
 * process takes the lease, then places the files, publishes them and gives the lease back. Pruning
 * lists files, then reads the leases within its transaction. Of a file that it lists and does not find
 * in the index it sees the lease.
 *
 * Records are void when their process is dead (live-process.ts), so that no process
 * has to give them back: a build's result stays in use until its process has ended.
 */
import { StoreError } from '../../util/errors.js';
import type { CacheIndex } from '../index/index-db.js';
import type { Indexed } from '../index/tables.js';
import { getTables } from '../index/tables.js';
import { write } from '../index/transaction.js';
import { isKnownLayer } from '../layers/remote-layers.js';
import type { LayerId } from '../records.js';
import { leaseOwner } from './lease-links.js';
import { getPid } from './live-process.js';

/** Layers were removed by another process between finding them and using them. */
export class LayersGoneError extends StoreError {
  constructor(layers: readonly LayerId[]) {
    super(`the store lost layers while they were looked up: ${layers.join(', ')}`, {
      hint: 'run the command again; if it says so again, the store is damaged',
    });
  }
}

/** What a process wants to keep. */
export interface Use {
  readonly layers?: Iterable<LayerId>;
  readonly mounts?: Iterable<string>;
  readonly everything?: boolean;
}

function sweepVoid(index: CacheIndex): void {
  for (const { key, value } of [...index.uses.getRange()]) {
    if (!index.self.isAlive(value.process)) index.uses.removeSync(key);
  }
}

/**
 * Adds to this process's record. Part of the caller's write transaction.
 * @throws LayersGoneError, which undoes the transaction
 */
export function declareUse(index: CacheIndex, use: Use): void {
  const { id } = index.self;
  const known = index.uses.get(id);
  // Each process clears up once after processes that ended without doing so.
  if (!known) sweepVoid(index);
  const before = new Set(known?.layers);
  const added = [...new Set(use.layers)].filter((id) => !before.has(id));
  const gone = added.filter((layer) => !isKnownLayer({ index }, layer));
  if (gone.length > 0) throw new LayersGoneError(gone);
  const mounts = [...new Set([...(known?.mounts ?? []), ...(use.mounts ?? [])])];
  const everything = use.everything ?? known?.everything ?? false;
  const same = added.length === 0 && mounts.length === (known?.mounts.length ?? 0);
  if (known && same && everything === known.everything) return;
  index.uses.putSync(id, { process: id, layers: [...before, ...added], mounts, everything });
}

/** Remembers what is in this process's record, once the transaction is over: nobody else takes it out. */
export function noteUsed(index: CacheIndex, layers: readonly LayerId[]): void {
  for (const id of layers) index.used.add(id);
}

/** Declares that this process uses layers. @throws LayersGoneError when they are not there */
export function useLayers(store: Indexed, layers: readonly LayerId[]): void {
  const index = getTables(store);
  // One that is not published yet is this process's own, and declared when it is.
  const added = layers.filter((id) => !index.used.has(id) && !index.unpublished.has(id));
  if (added.length === 0) return;
  write(index, () => declareUse(index, { layers: added }));
  noteUsed(index, added);
}

/** Declares the use of layers that one can do without. @returns false when they are not there */
export function tryUseLayers(store: Indexed, layers: readonly LayerId[]): boolean {
  const index = getTables(store);
  try {
    useLayers({ index }, layers);
    return true;
  } catch (error) {
    if (error instanceof LayersGoneError) return false;
    throw error;
  }
}

/** As long as it is set and this process lives, no process removes anything. */
function holdEverything(index: CacheIndex, everything: boolean): void {
  write(index, () => declareUse(index, { everything }));
}

/**
 * Does something that looks layers up, and does it again when another process removed them
 * meanwhile: nothing can be removed during the second try.
 * @param onRetry called before the second try
 */
export async function retryWhenPruned<T>(
  store: Indexed,
  action: () => Promise<T>,
  onRetry: () => void = () => {},
): Promise<T> {
  const index = getTables(store);
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof LayersGoneError)) throw error;
  }
  onRetry();
  holdEverything(index, true);
  try {
    return await action();
  } finally {
    holdEverything(index, false);
  }
}

/** What living processes use, this one included. */
export interface LiveUses {
  readonly layers: ReadonlySet<LayerId>;
  readonly mounts: ReadonlySet<string>;
  /** Pid of a process that must not lose anything; undefined: there is none. */
  readonly everythingBy: number | undefined;
  /** Is any process about to publish a layer? That takes a lease. */
  readonly publishing: boolean;
  /** Is any process about to publish a blob? That takes a lease or the use of its layer. */
  readonly compressing: boolean;
}

/** Reads the uses of living processes; binding only in the write transaction that removes something. */
export function liveUses(index: CacheIndex): LiveUses {
  const layers = new Set<LayerId>();
  const mounts = new Set<string>();
  let everythingBy: number | undefined;
  let publishing = false;
  let others = false;
  for (const { value } of index.uses.getRange()) {
    if (!index.self.isAlive(value.process)) continue;
    others ||= value.process !== index.self.id;
    for (const id of value.layers) layers.add(id);
    for (const name of value.mounts) mounts.add(name);
    if (value.everything) everythingBy = getPid(value.process);
  }
  for (const { key } of index.leases.list()) {
    if (!leaseOwner(index.leases, key, index.self.isAlive)?.lives) continue;
    publishing = true;
    if (key.startsWith('mount:')) mounts.add(key.slice('mount:'.length));
  }
  return { layers, mounts, everythingBy, publishing, compressing: publishing || others };
}
