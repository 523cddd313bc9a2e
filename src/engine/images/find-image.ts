/** Images of the store by what people call them, and what to say when there is none. */
import { idStart } from '../../store/images/image-ids.js';
import { allNames, findNamedImage } from '../../store/images/store-images.js';
import type { ImageRecord } from '../../store/records.js';
import type { Store } from '../../store/store.js';
import { NotFoundError } from '../../util/errors.js';
import { suggest } from '../../util/suggest.js';

/** The name of the store that a wrong one most likely was meant to be, as people write it. */
export function similarName(store: Store, wrong: string): string | undefined {
  const known = [...allNames(store)].flatMap(({ name }) =>
    name.endsWith(':latest') ? [name.slice(0, -':latest'.length), name] : [name],
  );
  return suggest(wrong, known);
}

/**
 * The image that a name, an id, or the beginning of an id means.
 * @param fewest digits of an id that are one
 * @throws UsageError for the beginning of several ids
 */
export async function findImage(
  store: Store,
  reference: string,
  fewest?: number,
): Promise<ImageRecord | undefined> {
  const named = findNamedImage(store, reference);
  if (named || idStart(reference, fewest) === undefined) return named;
  // Hardly any build or run needs what reads layers for ids.
  const { getImages } = await import('./settle-image-ids.js');
  const [image] = await getImages(store, reference, fewest);
  return image;
}

/**
 * An image by its name, its id, or the beginning of its id.
 * @throws NotFoundError that names what it may have been meant to be, UsageError for an id of several
 */
export async function requireImage(store: Store, name: string): Promise<ImageRecord> {
  const [image] = await requireImages(store, name);
  return image;
}

/**
 * All records that a name or an id means.
 * @throws as requireImage
 */
export async function requireImages(
  store: Store,
  name: string,
): Promise<[ImageRecord, ...ImageRecord[]]> {
  const { getImages } = await import('./settle-image-ids.js');
  const [image, ...others] = await getImages(store, name);
  if (image) return [image, ...others];
  const similar = similarName(store, name);
  throw new NotFoundError(`there is no image ${name}`, {
    hint:
      similar === undefined
        ? 'wiac images lists them; wiac pull and wiac build -t NAME make more'
        : `did you mean ${similar}? wiac images lists them`,
  });
}
