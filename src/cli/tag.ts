/** `wiac tag`, `wiac rmi` */
import {
  findImage,
  hasName,
  isImageName,
  namesOf,
  normalizeName,
  publishImage,
  removeImage,
} from '../store/images/store-images.js';
import type { Store } from '../store/store.js';
import { UsageError } from '../util/errors.js';
import type { SetExitCode } from './declare/options.js';
import { requireImage } from './find-image.js';
import { withStore, withStoreAsRoot } from './with-store.js';

/** `wiac tag NAME NEWNAME...` @throws NotFoundError, UsageError */
export function tagCommand(name: string, newNames: readonly string[]): Promise<void> {
  for (const newName of newNames) {
    if (!isImageName(newName))
      throw new UsageError(`${newName} is not a name`, {
        hint: 'use letters, digits and . _ - / :',
      });
  }
  return withStore(async (store) => {
    await publishImage(store, requireImage(store, name), newNames);
  });
}

/** An id stands for all names of its image: those who gave it another one would not expect that. */
function refuseSeveralNames(store: Store, reference: string): void {
  const { id } = requireImage(store, reference);
  if (hasName(store, normalizeName(reference))) return;
  const names = namesOf(store, id);
  if (names.length > 1)
    throw new UsageError(`the image ${reference} has several names: ${names.join(', ')}`, {
      hint: 'give the names that are to go, or --force for all of them',
    });
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
    if (!force) for (const reference of references) refuseSeveralNames(store, reference);
    for (const reference of references) {
      // Two of them may be names of one image, or the same name twice.
      if (!findImage(store, reference)) continue;
      const { untagged, removed } = await removeImage(store, reference);
      for (const name of untagged) process.stdout.write(`Untagged: ${name}\n`);
      if (removed !== undefined) process.stdout.write(`Deleted: ${removed}\n`);
    }
  });
}
