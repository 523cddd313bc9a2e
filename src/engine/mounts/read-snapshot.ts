/** The list of a cache mount's files, from a shared cache. */
import { ImageError } from '../../oci/image-error.js';
import { collect } from '../../oci/resolve.js';
import type { MountPlace } from '../../shared-cache/mounts/outgoing.js';
import { filesDescriptor } from '../../shared-cache/mounts/outgoing.js';
import { MAX_FILES_BYTES, parseFiles } from '../../shared-cache/mounts/parse-snapshot.js';
import type { ListedMount, Snapshot } from '../../shared-cache/mounts/snapshot.js';
import type { MountSelection } from '../../shared-cache/spec.js';

/** Does the option ask for this mount? */
export function selects({ ids }: MountSelection, id: string): boolean {
  return ids === 'all' || ids.includes(id);
}

/** Reads the list of a mount's files. @throws ImageError */
export async function readSnapshot(
  mount: ListedMount,
  { title, openBlob }: Pick<MountPlace, 'title' | 'openBlob'>,
): Promise<Snapshot> {
  const what = `the cache mount ${mount.id} of ${title}`;
  const descriptor = filesDescriptor(mount.files);
  if (descriptor.size > MAX_FILES_BYTES) throw new ImageError(`the list of ${what} is too large`);
  const bytes = await collect(await openBlob(descriptor), MAX_FILES_BYTES, what);
  return parseFiles(bytes, mount.packs, `${mount.id} of ${title}`);
}
