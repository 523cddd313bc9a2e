/** Ids of images, for which layers are read that were not read before. */
import { isDeepStrictEqual } from 'node:util';
import { nowhereSink } from '../../oci/nowhere.js';
import { DEFAULT_FORM, findBlob } from '../../store/blobs/blobs.js';
import { describeArchive } from '../../store/blobs/diff-ids.js';
import {
  idStart,
  imagesWithId,
  imagesWithManifest,
  knownArchive,
  knownImageId,
} from '../../store/images/image-ids.js';
import { allImages, findNamedImage } from '../../store/images/store-images.js';
import { noteArchive } from '../../store/layers/find-layers.js';
import { lazyScratch } from '../../store/layers/layer-store.js';
import { useLayers } from '../../store/pins/uses.js';
import type { ImageRecord } from '../../store/records.js';
import type { Store } from '../../store/store.js';
import { UsageError } from '../../util/errors.js';
import type { Exported } from '../exports/export-image.js';
import { DEFAULT_EXPORT, exportImages } from '../exports/export-image.js';

/**
 * The id of an image: the digest of its config.
 * @throws what reading a layer throws
 */
export async function imageId(store: Store, image: ImageRecord): Promise<string> {
  // Layers in another form than the usual have to be made to be known.
  if (image.times !== undefined && knownImageId(store, image) === undefined)
    await writeNowhere(store, image);
  for (const id of image.original || image.times ? [] : image.layers) {
    if (knownArchive(store, id)) continue;
    // A build that found every step has declared no use of its layers; their files are read now.
    useLayers(store, image.layers);
    noteArchive(store, id, await describeArchive(store, id));
  }
  const id = knownImageId(store, image);
  if (id === undefined) throw new Error(`a layer of ${image.id} was removed meanwhile`);
  return id;
}

/** The id as long as the layers can be read: who lists or removes images has no use for an error. */
export function imageIdOrNone(store: Store, image: ImageRecord): Promise<string | undefined> {
  return imageId(store, image).catch(() => undefined);
}

/**
 * The digest of the manifest that an image was pulled by. An archive of docker has none, and what
 * stands for it says nothing to anybody else.
 */
function keptManifest({ manifest, original }: ImageRecord): string | undefined {
  return original?.mediaType === '' ? undefined : manifest;
}

/** The digest of the image's manifest, when no layer has to be compressed for it. */
export async function manifestAtHand(
  store: Store,
  image: ImageRecord,
): Promise<string | undefined> {
  const kept = keptManifest(image);
  const isAtHand = image.layers.every((id) => findBlob(store, id, DEFAULT_FORM) !== undefined);
  if (kept !== undefined || !isAtHand) return kept;
  return (await manifestDigests(store, image)).at(-1);
}

/**
 * Digests of the manifests that registries may have the image under: of the index it was pulled by
 * and of its own, or of the one that `wiac push` would write, for which the layers are compressed.
 * @throws what reading a layer throws, NoSpaceError
 */
export async function manifestDigests(store: Store, image: ImageRecord): Promise<string[]> {
  const { index } = image;
  const manifest = keptManifest(image);
  if (manifest !== undefined) return [...(index === undefined ? [] : [index]), manifest];
  return [(await writeNowhere(store, image)).root.digest];
}

/** Makes all that a push would send. */
async function writeNowhere(store: Store, image: ImageRecord): Promise<Exported> {
  const scratch = lazyScratch(store.paths);
  try {
    return await exportImages(store, [{ image }], nowhereSink(), scratch.path(), DEFAULT_EXPORT);
  } finally {
    scratch.remove();
  }
}

/** Digits of an id that tables show. */
const SHOWN_DIGITS = 12;

/** Finds out the ids of images that are like this one; of all without one. */
async function knowIds(store: Store, like?: ImageRecord): Promise<void> {
  for (const image of [...allImages(store)])
    if (!like || isDeepStrictEqual(image.config, like.config)) await imageIdOrNone(store, image);
}

/** Every record of an image: it may have been built here, and pulled as somebody else pushed it. */
export async function getRecords(store: Store, image: ImageRecord): Promise<ImageRecord[]> {
  const id = await imageId(store, image);
  await knowIds(store, image);
  return imagesWithId(store, id).map((found) => found.image);
}

/**
 * Every record of the image that a name, an id, the beginning of an id, or a manifest's digest means;
 * a name means one.
 * @param fewest digits of an id that are one
 * @throws UsageError when the beginning of an id is that of several
 */
export async function getImages(
  store: Store,
  reference: string,
  fewest?: number,
): Promise<ImageRecord[]> {
  const named = findNamedImage(store, reference);
  if (named) return [named];
  const start = idStart(reference, fewest);
  if (start === undefined) return [];
  const atOnce = imagesWithId(store, start);
  // A user who gives the first digits has seen the id here, and then it is known. So layers are not
  // all read for a word that may be anything.
  if (atOnce.length === 0 && idStart(reference, SHOWN_DIGITS)) await knowIds(store);
  const found = atOnce.length > 0 ? atOnce : imagesWithId(store, start);
  if (found.length === 0) return imagesWithManifest(store, start);
  const ids = [...new Set(found.map(({ id }) => id))];
  if (ids.length > 1)
    throw new UsageError(`${reference} is the beginning of several ids: ${ids.join(', ')}`, {
      hint: 'give more digits of the id',
    });
  return found.map(({ image }) => image);
}
