/**
 * Clears up after processes that were killed, at the beginning of a command by whoever comes first;
 * and after this one, when it is stopped.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { removeTree } from '../fs/remove.js';
import type { CacheIndex } from './index-db.js';
import { removeLayer } from './layer-store.js';
import { identitySuffix, isAlive, ownIdentity, parseIdentitySuffix } from './process-identity.js';
import type { LayerId, LeaseRecord } from './records.js';
import type { Store } from './store.js';

function isOthersDraft(name: string, id: LayerId): boolean {
  const identity = name.startsWith(`${id}.`) ? parseIdentitySuffix(name) : undefined;
  return identity !== undefined && isAlive(identity);
}

/** Whose work it is that nobody goes on with. */
type IsGone = (identity: LeaseRecord) => boolean;

/** Drafts, and layers that were placed but not published; see cache-format.md, "Publishing". */
function sweepDrafts({ index, paths }: Store, isGone: IsGone): number {
  let freed = 0;
  for (const name of readdirSync(paths.tmp)) {
    const identity = parseIdentitySuffix(name);
    if (!identity || !isGone(identity)) continue;
    const id = name.slice(0, name.indexOf('.')) as LayerId;
    try {
      // A layer that entries know by its name is fetched under it again.
      const taken = readdirSync(paths.tmp).some(
        (other) => other !== name && isOthersDraft(other, id),
      );
      if (!taken && !index.layers.doesExist(id)) removeLayer(paths, id);
      freed += removeTree(join(paths.tmp, name));
    } catch {
      // A cp(1) that outlived its wiac may still be writing there, or another process is sweeping:
      // garbage can wait, it must not make a build fail.
    }
  }
  return freed;
}

function sweepLeases(index: CacheIndex, isGone: IsGone): void {
  const isVoid = ({ value }: { readonly value: LeaseRecord }) => isGone(value);
  if (![...index.leases.getRange()].some(isVoid)) return;
  index.environment.transactionSync(() => {
    for (const { key } of [...index.leases.getRange()].filter(isVoid)) index.leases.removeSync(key);
  });
}

/** Removes drafts and leases of processes that are gone. @returns bytes of drafts that were freed */
export function sweepStore(store: Store): number {
  const isGone: IsGone = (identity) => !isAlive(identity);
  sweepLeases(store.index, isGone);
  return sweepDrafts(store, isGone);
}

/** Removes drafts and leases of this process, which goes on with none of them. */
export function sweepOwn(store: Store): void {
  const own = identitySuffix(ownIdentity());
  const isGone: IsGone = (identity) => identitySuffix(identity) === own;
  sweepLeases(store.index, isGone);
  sweepDrafts(store, isGone);
}
