/** Manifests and configs of base images: what a locked build would otherwise ask a registry for. */
import type { Indexed } from '../index/tables.js';
import { getTables } from '../index/tables.js';
import type { KeptManifest, OriginalImage } from '../records.js';

/** More than the builds of one machine are based on; above it all are asked for again. */
const MAX_KEPT = 1000;

/** A tag that moves leads to a manifest through another index each time. */
const MAX_INDEXES = 16;

/** Manifest and config by the digest of the manifest. */
export function findManifest(store: Indexed, digest: string): KeptManifest | undefined {
  return getTables(store).manifests.get(digest);
}

/**
 * Keeps manifest and config; does nothing when they are there.
 * @param index digest of the index that they were found through, if they were
 */
export async function keepManifest(
  store: Indexed,
  digest: string,
  image: OriginalImage,
  index: string | undefined,
): Promise<void> {
  const { manifests } = getTables(store);
  const known = manifests.get(digest);
  const before = known?.indexes ?? [];
  const isKnown = index === undefined || before.includes(index);
  if (known && isKnown) return;
  if (!known && manifests.getCount() >= MAX_KEPT) await manifests.clearAsync();
  const indexes = isKnown ? before : [...before, index].slice(-MAX_INDEXES);
  await manifests.put(digest, indexes.length === 0 ? image : { ...image, indexes });
}
