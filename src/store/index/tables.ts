/** Where the tables of the index are known: to store/ alone. */
import type { CacheIndex } from './index-db.js';

/** The index of a store as everybody else has it: to be handed on, not to be looked into. */
export interface StoreIndex {
  readonly __brand: 'StoreIndex';
}

/** What has an index: a store. */
export interface Indexed {
  readonly index: StoreIndex;
}

/** The tables of a store's index; for store/. */
export function getTables({ index }: Indexed): CacheIndex {
  return index as CacheIndex;
}
