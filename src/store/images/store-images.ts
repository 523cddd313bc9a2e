/** Named build results. */

import { ImageError } from '../../oci/image-error.js';
import { parseRegistryReference } from '../../oci/reference.js';
import type { Json } from '../../util/canonical-json.js';
import { canonicalJson, sha256 } from '../../util/canonical-json.js';
import { checkpoint } from '../../util/checkpoint.js';
import { addCacheBytes } from '../gc/totals.js';
import type { CacheIndex } from '../index/index-db.js';
import type { Indexed } from '../index/tables.js';
import { getTables } from '../index/tables.js';
import { write } from '../index/transaction.js';
import { declareUse } from '../pins/uses.js';
import type { ImageRecord, LayerId } from '../records.js';
import type { Store } from '../store.js';
import { imagesWithManifest } from './image-ids.js';

/** `name` without a tag means `name:latest`, as everywhere. */
function withTag(name: string): string {
  const lastPart = name.slice(name.lastIndexOf('/') + 1);
  return /[:@]/.test(lastPart) ? name : `${name}:latest`;
}

/** docker.io/library/debian and docker://debian are debian, as docker shows it. */
export function familiarName(name: string): string {
  const hub = /^(?:index\.)?docker\.io\/(?:library\/(?=[^/]+$))?/;
  return name.replace(/^docker(?:-image)?:\/\//, '').replace(hub, '');
}

/** The one way in which the store writes a name. */
export function normalizeName(name: string): string {
  return withTag(familiarName(name));
}

/** Is the text a name that an image may have (distribution spec, "pulling manifests"), with a tag or without? */
export function isImageName(name: string): boolean {
  try {
    return parseRegistryReference(familiarName(name)).digest === undefined;
  } catch (error) {
    if (error instanceof ImageError) return false;
    throw error;
  }
}

/** The record of a result; its id covers config, history and layers. */
export function imageRecord(
  content: Omit<ImageRecord, 'id' | 'created' | 'original'>,
): ImageRecord {
  const id = `sha256:${sha256(canonicalJson(content as unknown as Json))}`;
  return { ...content, id, created: Date.now() };
}

/** Has the image a name? */
export function isNamed(index: CacheIndex, id: string): boolean {
  for (const { value } of index.names.getRange()) if (value === id) return true;
  return false;
}

/** Layers of an image that lost its last name can be pruned now. Part of a write transaction. */
function returnToCache(index: CacheIndex, image: ImageRecord, kept: readonly LayerId[]): void {
  if (isNamed(index, image.id)) return;
  const needed = new Set(kept);
  for (const id of image.layers) {
    if (!needed.has(id)) addCacheBytes(index, index.layers.get(id)?.disk ?? 0);
  }
}

/**
 * Keeps an image under its id and its names. Part of the caller's write transaction, which has made
 * sure that the image's layers are there.
 */
export function putImage(
  index: CacheIndex,
  made: ImageRecord,
  names: readonly string[],
): ImageRecord {
  const known = index.images.get(made.id);
  // One that an earlier version pulled lacks the bytes that it came in.
  const image = known?.original || !made.original ? (known ?? made) : made;
  if (image !== known) {
    index.files.images.put(image);
    index.images.putSync(made.id, image);
  }
  for (const name of names.map(normalizeName)) {
    const before = index.names.get(name);
    if (before === made.id) continue;
    index.files.names.put({ name, image: made.id });
    index.names.putSync(name, made.id);
    const former = before === undefined ? undefined : index.images.get(before);
    if (former) returnToCache(index, former, made.layers);
  }
  return image;
}

/** Is the image there already, under all of these names? */
export function isPublished(index: CacheIndex, id: string, names: readonly string[]): boolean {
  const named = names.every((name) => index.names.get(normalizeName(name)) === id);
  return named && index.images.doesExist(id);
}

/**
 * Keeps an image under its id and its names; its layers can't be removed from the cache then.
 * @throws LayersGoneError when another process removed one of its layers; see retryWhenPruned
 */
export async function publishImage(
  store: Indexed,
  made: ImageRecord,
  names: readonly string[],
): Promise<ImageRecord> {
  const index = getTables(store);
  const image = write(index, () => {
    declareUse(index, { layers: made.layers });
    return putImage(index, made, names);
  });
  checkpoint('image:published');
  return image;
}

/** lmdb takes no longer keys, and no image has such a name. */
const MOST_NAME_BYTES = 1900;

/** Finds an image by its name; findImage of engine/images knows ids as well. */
export function findNamedImage(store: Indexed, name: string): ImageRecord | undefined {
  if (Buffer.byteLength(name) > MOST_NAME_BYTES) return undefined;
  const index = getTables(store);
  // The second is how earlier versions kept a name.
  const named = index.names.get(normalizeName(name)) ?? index.names.get(withTag(name));
  return named === undefined ? findByDigest(index, name) : index.images.get(named);
}

/** Finds the image of REPOSITORY[:TAG]@DIGEST that was pulled by another name of that repository. */
function findByDigest(index: CacheIndex, name: string): ImageRecord | undefined {
  const [full = '', digest] = familiarName(name).split('@');
  if (digest === undefined) return undefined;
  const repository = (text: string) => text.replace(/(?::[^:/@]*)?(?:@.*)?$/, '');
  return imagesWithManifest({ index }, digest).find(({ id }) =>
    getNames({ index }, id).some((other) => repository(other) === repository(full)),
  );
}

/** All images. */
export function* allImages(store: Indexed): Generator<ImageRecord> {
  for (const { value } of getTables(store).images.getRange()) yield value;
}

/** All names with the ids of their images. */
export function* allNames(
  store: Indexed,
): Generator<{ readonly name: string; readonly id: string }> {
  for (const { key, value } of getTables(store).names.getRange()) yield { name: key, id: value };
}

/** Has an image this very name? */
export function hasName(store: Indexed, name: string): boolean {
  return getTables(store).names.doesExist(name);
}

/** An image by its whole id. */
export function imageById(store: Indexed, id: string): ImageRecord | undefined {
  return getTables(store).images.get(id);
}

/** The names of an image, sorted. */
export function getNames(store: Indexed, id: string): string[] {
  const { names } = getTables(store);
  return [...names.getRange()].flatMap(({ key, value }) => (value === id ? [key] : []));
}

/** What `removeImage` did. */
export interface ImageRemoval {
  /** Names that are gone. */
  readonly untagged: readonly string[];
  /** Is the image gone too? */
  readonly removed: boolean;
  /** Layers that no image, entry or process needed any more. */
  readonly layers: readonly LayerId[];
  /** Bytes that the file system got back. */
  readonly freedBytes: number;
}

/**
 * Removes names; with the last one the image, and layers that nothing needs then. Layers that entries
 * of the cache have stay in the cache.
 * @param id key of the image's record
 * @param name the only one that is to go; undefined: all that the image has
 */
export async function removeImage(
  store: Store,
  id: string,
  name: string | undefined,
): Promise<ImageRemoval> {
  const { removeImageRecord } = await import('./remove-image.js');
  return removeImageRecord(store, id, name);
}
