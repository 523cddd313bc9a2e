/** What `wiac cache prune` is to remove: its options, or what the config file says. */
import type { PruneRequest } from '../store/gc/prune-store.js';
import { UsageError } from '../util/errors.js';
import { policyLimit, readPolicy } from './config-file.js';
import type { FilterOptions } from './filters.js';
import { parseFilter, sizeOption } from './filters.js';

/** Options that choose, as commander gives them. */
export interface PruneChoice extends FilterOptions {
  readonly keepBytes?: string;
  readonly keepDays?: number;
  readonly all: boolean;
}

const DAY_MS = 86_400_000;

/** @param root of the store @throws UsageError */
export function pruneRequest(options: PruneChoice, root: string): PruneRequest {
  const filter = parseFilter(options);
  const keepBytes = sizeOption(options.keepBytes, '--keep-bytes');
  const { keepDays } = options;
  const filtered = Object.values(filter).some((value) => value !== undefined);
  if (options.all) {
    if (filtered || keepBytes !== undefined || keepDays !== undefined) {
      throw new UsageError('--all leaves nothing to choose', {
        hint: 'leave --all out, or the other options',
      });
    }
    return { keepBytes: undefined, filter, mountsUnusedFor: 0 };
  }
  const aged = (days: number | undefined) => {
    if (days === undefined) return { filter, mountsUnusedFor: undefined };
    const unusedFor = Math.max(days * DAY_MS, filter.unusedFor ?? 0);
    // A filter of entries says nothing of cache mounts.
    return { filter: { ...filter, unusedFor }, mountsUnusedFor: filtered ? undefined : unusedFor };
  };
  if (filtered || keepBytes !== undefined || keepDays !== undefined)
    return { keepBytes, ...aged(keepDays) };
  const policy = readPolicy(process.env);
  return { keepBytes: policyLimit(policy, root), ...aged(policy.keepDays) };
}
