/** Images of the store by what people call them, and what to say when there is none. */
import { allNames, findImage } from '../store/images/store-images.js';
import type { ImageRecord } from '../store/records.js';
import type { Store } from '../store/store.js';
import { NotFoundError } from '../util/errors.js';
import { suggest } from '../util/suggest.js';

/** The name of the store that a wrong one most likely was meant to be, as people write it. */
export function similarName(store: Store, wrong: string): string | undefined {
  const known = [...allNames(store)].flatMap(({ name }) =>
    name.endsWith(':latest') ? [name.slice(0, -':latest'.length), name] : [name],
  );
  return suggest(wrong, known);
}

/**
 * An image by its name, its id, or the beginning of its id.
 * @throws NotFoundError that names what it may have been meant to be
 */
export function requireImage(store: Store, name: string): ImageRecord {
  const image = findImage(store, name);
  if (image) return image;
  const similar = similarName(store, name);
  throw new NotFoundError(`there is no image ${name}`, {
    hint:
      similar === undefined
        ? 'wiac images lists them; wiac pull and wiac build -t NAME make more'
        : `did you mean ${similar}? wiac images lists them`,
  });
}
