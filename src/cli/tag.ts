/** `wiac tag`, `wiac rmi` */

import { requireImage, requireImages } from '../engine/images/find-image.js';
import { getImages, imageIdOrNone } from '../engine/images/settle-image-ids.js';
import { imagesWithId } from '../store/images/image-ids.js';
import {
  findNamedImage,
  getNames,
  isImageName,
  publishImage,
  removeImage,
} from '../store/images/store-images.js';
import type { Store } from '../store/store.js';
import { UsageError } from '../util/errors.js';
import type { SetExitCode } from './declare/options.js';
import { withStoreAsRoot } from './with-store.js';

/** `wiac tag NAME NEWNAME...` @throws NotFoundError, UsageError */
export function tagCommand(
  name: string,
  newNames: readonly string[],
  setExitCode: SetExitCode,
): Promise<void> {
  for (const newName of newNames) {
    if (!isImageName(newName))
      throw new UsageError(`${newName} is not a name`, {
        hint: 'use letters, digits and . _ - / :',
      });
  }
  return withStoreAsRoot(setExitCode, async (store) => {
    await publishImage(store, await requireImage(store, name), newNames);
  });
}

/** An id stands for all names of its image: a user who gave it another name would not expect that. */
async function refuseSeveralNames(store: Store, reference: string): Promise<void> {
  const images = await requireImages(store, reference);
  if (findNamedImage(store, reference)) return;
  const names = images.flatMap(({ id }) => getNames(store, id));
  if (names.length > 1)
    throw new UsageError(`the image ${reference} has several names: ${names.join(', ')}`, {
      hint: 'give the names that are to go, or --force for all of them',
    });
}

/** Removes the images that a name or an id means, and prints the names that are gone. */
async function remove(store: Store, reference: string): Promise<void> {
  const name = findNamedImage(store, reference) && reference;
  for (const image of await getImages(store, reference)) {
    // Afterwards it can't be told any more.
    const id = await imageIdOrNone(store, image);
    const { untagged, removed } = await removeImage(store, image.id, name);
    for (const text of untagged) process.stdout.write(`Untagged: ${text}\n`);
    // The store may have it twice: built here, and pulled as another machine pushed it.
    const isGone = id === undefined || imagesWithId(store, id).length === 0;
    if (removed && isGone) process.stdout.write(`Deleted: ${id ?? reference}\n`);
  }
}

/**
 * `wiac rmi NAME...`: nothing is removed when one of them is not there.
 * @throws NotFoundError, UsageError
 */
export function rmiCommand(
  references: readonly string[],
  { force }: { readonly force: boolean },
  setExitCode: SetExitCode,
): Promise<void> {
  return withStoreAsRoot(setExitCode, async (store) => {
    if (!force) for (const reference of references) await refuseSeveralNames(store, reference);
    // Two of them may be names of one image, or the same name twice: the second finds nothing.
    for (const reference of references) await remove(store, reference);
  });
}
