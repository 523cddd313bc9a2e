/** The store for a command that asks questions of it. */
import { createHash64 } from '../build/hash64.js';
import { storeRoot } from '../cache/paths.js';
import type { IndexScanStore } from '../cache/scan-store.js';
import { indexScanStore } from '../cache/scan-store.js';
import type { Store } from '../cache/store.js';
import { closeStore } from '../cache/store.js';
import { openUserStore } from './user-store.js';

/** Opens the user's store for as long as the action takes. @throws StoreError */
export async function withStore(action: (store: Store) => void | Promise<void>): Promise<void> {
  const store = await openUserStore(storeRoot(process.env, process.getuid?.() === 0));
  try {
    await action(store);
  } finally {
    await closeStore(store);
  }
}

/** Gives an action the tree nodes of the index; those it adds are kept. */
export async function withScanStore(
  { index }: Store,
  action: (scanStore: IndexScanStore) => Promise<void>,
): Promise<void> {
  const scanStore = indexScanStore(index, await createHash64());
  await action(scanStore);
  scanStore.flush();
}
