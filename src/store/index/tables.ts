/** Where the tables of the index are known: to store/ alone. */
import { StoreError } from '../../util/errors.js';
import type { CacheIndex } from './index-db.js';

/** A program's mistake: lmdb's own words would not tell which. */
export function closedError(): StoreError {
  return new StoreError('the store was closed while it was in use', {
    hint: 'await what uses it, or abort it, before closeStore()',
  });
}

/** The index of a store as everybody else has it: to be handed on, not to be looked into. */
export interface StoreIndex {
  readonly __brand: 'StoreIndex';
}

/** What has an index: a store. */
export interface Indexed {
  readonly index: StoreIndex;
}

/** The tables of a store's index; for store/. @throws StoreError when it is closed */
export function getTables({ index }: Indexed): CacheIndex {
  const tables = index as CacheIndex;
  if (tables.closed) throw closedError();
  return tables;
}

/** The same for what ends: it can also be given back when the store is closed already. */
export function getHeld({ index }: Indexed): Pick<CacheIndex, 'closed' | 'held' | 'leases'> {
  return index as CacheIndex;
}
