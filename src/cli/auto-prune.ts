/** Pruning after a build, when the policy asks for it. */

import { readCacheBytes } from '../store/gc/totals.js';
import type { Store } from '../store/store.js';
import { policyLimit, readPolicy } from './config-file.js';

/** Entries used within this time stay: a script may have the lowerdir string and run it next. */
const GRACE_MS = 10 * 60_000;

/** How much of the limit is left full, so that not every build after it has to prune again. */
const FILL = 0.9;

const DAY_MS = 86_400_000;

/**
 * Prunes if the cache is above its limit. One number of the index says whether it can be; most
 * builds read the config file and that number, and nothing else.
 * @returns undefined, or why it could not be done: pruning never fails a build
 */
export async function autoPrune(store: Store): Promise<string | undefined> {
  try {
    const policy = readPolicy(process.env);
    if (!policy.auto) return undefined;
    const limit = policyLimit(policy, store.paths.root);
    if (limit === undefined || readCacheBytes(store) <= limit) return undefined;
    const { prune } = await import('../store/gc/prune-store.js');
    const unusedFor = Math.max((policy.keepDays ?? 0) * DAY_MS, GRACE_MS);
    const mountsUnusedFor = policy.keepDays === undefined ? undefined : unusedFor;
    prune(store, { keepBytes: limit * FILL, filter: { unusedFor }, mountsUnusedFor });
    return undefined;
  } catch (error) {
    return `the cache was not pruned: ${(error as Error).message}`;
  }
}
