/** Brings the store of an earlier version up to date. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { StoreError } from '../errors.js';
import type { CacheIndex } from './index-db.js';
import type { StorePaths } from './paths.js';

/** Can a store of that version be brought up to date? */
export function isUpgradable(version: number): boolean {
  return version === 2;
}

/** Pids of processes that have the index open: version 2 knows no other sign of life. */
function openedBy({ environment }: CacheIndex): number[] {
  // Takes the rows of processes that are gone out of lmdb's table.
  environment.readerCheck();
  const pids = [...environment.readerList().matchAll(/^\s*(\d+)\s/gm)].map(([, pid]) =>
    Number(pid),
  );
  return [...new Set(pids)].filter((pid) => pid !== process.pid);
}

/**
 * Upgrades a store of version 2; the caller has the index lock and writes the new version after it.
 * Nothing that is cached is lost.
 * @throws StoreError when an earlier wiac is at work in it
 */
export function upgradeStore({ root, tmp }: StorePaths, index: CacheIndex): void {
  const busy = openedBy(index);
  if (busy.length > 0) {
    throw new StoreError(
      `an earlier version of wiac uses the store ${root} (processes ${busy.join(', ')})`,
      { hint: 'wait until it has ended' },
    );
  }
  index.environment.transactionSync(() => {
    index.leases.clearSync();
    index.uses.clearSync();
  });
  // Nobody goes on with what is in there.
  for (const name of readdirSync(tmp)) rmSync(join(tmp, name), { recursive: true, force: true });
}
