/** Removes images: their names, and with the last one their records. */
import { NotFoundError } from '../errors.js';
import type { ImageRemoval } from './images.js';
import { findImage, namesOf, normalizeName } from './images.js';
import type { Store } from './store.js';

/** What `removeImage` of images.ts does. @throws NotFoundError */
export function removeImageRecord({ index }: Store, reference: string): ImageRemoval {
  const gone = index.environment.transactionSync(() => {
    const image = findImage(index, reference);
    if (!image)
      throw new NotFoundError(`there is no image ${reference}`, { hint: 'wiac images lists them' });
    const names = namesOf(index, image.id);
    const name = normalizeName(reference);
    const untagged = names.includes(name) ? [name] : names;
    for (const key of untagged) index.names.removeSync(key);
    const last = untagged.length === names.length;
    if (last) index.images.removeSync(image.id);
    return { untagged, removed: last ? image.id : undefined };
  });
  return { ...gone, layers: [], freedBytes: 0 };
}
