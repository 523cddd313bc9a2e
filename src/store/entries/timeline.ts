/**
 * Entries in the order in which they were made, so that a list of the newest begins to be printed
 * before the rest of the index is read.
 */
import type { DefinitionKey } from '../../keys/digest.js';
import type { CacheIndex } from '../index/index-db.js';
import type { StepRecord } from '../records.js';

/** Row of an entry; ms since the epoch first, which lmdb sorts as a number. */
export type TimelineKey = [created: number, key: DefinitionKey];

/** Notes when an entry was made; the caller is in a transaction and has not written it yet. */
export function noteTime(index: CacheIndex, { key, created }: StepRecord): void {
  const before = index.steps.get(key);
  if (before) index.timeline.removeSync([before.created, key]);
  index.timeline.putSync([created, key], '');
}

/** Takes an entry's row away; the caller is in a transaction. */
export function forgetTime(index: CacheIndex, { key, created }: StepRecord): void {
  index.timeline.removeSync([created, key]);
}

/** Records, newest first. */
export function* newestEntries(index: CacheIndex): Generator<StepRecord> {
  for (const [, key] of index.timeline.getKeys({ reverse: true })) {
    const record = index.steps.get(key);
    if (record) yield record;
  }
}
