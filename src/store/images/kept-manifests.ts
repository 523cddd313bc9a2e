/** Manifests and configs of base images: what a locked build would otherwise ask a registry for. */
import type { Indexed } from '../index/tables.js';
import { getTables } from '../index/tables.js';
import type { OriginalImage } from '../records.js';

/** More than the builds of one machine are based on; above it all are asked for again. */
const MAX_KEPT = 1000;

/** Manifest and config by the digest of the manifest. */
export function findManifest(store: Indexed, digest: string): OriginalImage | undefined {
  return getTables(store).manifests.get(digest);
}

/** Keeps manifest and config; does nothing when they are there. */
export async function keepManifest(
  store: Indexed,
  digest: string,
  image: OriginalImage,
): Promise<void> {
  const { manifests } = getTables(store);
  if (manifests.doesExist(digest)) return;
  if (manifests.getCount() >= MAX_KEPT) await manifests.clearAsync();
  await manifests.put(digest, image);
}
