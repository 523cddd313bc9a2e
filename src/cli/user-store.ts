/** Opens the store as the user's environment says, and tells what a power cut took. */

import { syncMode } from '../store/recovery/durability.js';
import type { Rebuilt } from '../store/recovery/rebuild-index.js';
import type { LostWork } from '../store/recovery/recovery.js';
import type { Store } from '../store/store.js';
import { openStore } from '../store/store.js';
import { plural } from '../util/plural.js';
import { readLimits } from './config-file.js';

function describeLoss({ layers, images }: LostWork): string {
  const gone = images.length === 0 ? '' : `, with the images ${images.join(', ')}`;
  return `the machine, or the disk, went down before all was on disk: dropped ${plural(layers, 'layer')}${gone}; build again to make them`;
}

function describeRebuilt({ damage, layers, entries, images }: Rebuilt): string {
  return `the index of the store ${damage}: it was made again from what lies beside it (${plural(entries, 'entry', 'entries')}, ${plural(layers, 'layer')}, ${plural(images, 'image')})`;
}

function warnOnStderr(message: string): void {
  process.stderr.write(`wiac: warning: ${message}\n`);
}

/**
 * @param warn gets a sentence when something was lost or had to be repaired
 * @throws UsageError for a wrong $WIAC_SYNC, limit or config file, StoreError, NoSpaceError
 */
export async function openUserStore(
  root: string,
  warn: (message: string) => void = warnOnStderr,
): Promise<Store> {
  const store = await openStore(root, syncMode(process.env), readLimits(process.env));
  if (store.rebuilt) warn(describeRebuilt(store.rebuilt));
  if (store.lost) warn(describeLoss(store.lost));
  return store;
}
