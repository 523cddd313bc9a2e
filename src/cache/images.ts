/** Named build results. */

import { checkpoint } from '../checkpoint.js';
import type { Json } from '../keys/digest.js';
import { canonicalJson, sha256 } from '../keys/digest.js';
import type { CacheIndex } from './index-db.js';
import type { ImageRecord, LayerId } from './records.js';
import type { Store } from './store.js';

/** `name` without a tag means `name:latest`, as everywhere. */
export function normalizeName(name: string): string {
  const lastPart = name.slice(name.lastIndexOf('/') + 1);
  return /[:@]/.test(lastPart) ? name : `${name}:latest`;
}

/** Is the text a name that an image may have (distribution spec, "pulling manifests")? */
export function isImageName(name: string): boolean {
  return /^[a-z0-9]+(?:[._/:-]+[a-zA-Z0-9_]+)*$/i.test(name);
}

/** The record of a result; its id covers config, history and layers. */
export function imageRecord(content: Omit<ImageRecord, 'id' | 'created'>): ImageRecord {
  const id = `sha256:${sha256(canonicalJson(content as unknown as Json))}`;
  return { ...content, id, created: Date.now() };
}

/** Keeps an image under its id and its names; its layers can't be removed from the cache then. */
export async function publishImage(
  index: CacheIndex,
  made: ImageRecord,
  names: readonly string[],
): Promise<ImageRecord> {
  const { id } = made;
  const existing = index.images.get(id);
  const image = existing ?? made;
  const missing = names.map(normalizeName).filter((name) => index.names.get(name) !== id);
  if (existing && missing.length === 0) return image;
  await index.images.transaction(() => {
    index.images.put(id, image);
    for (const name of missing) index.names.put(name, id);
  });
  checkpoint('image:published');
  return image;
}

/** Finds an image by name, id, or the beginning of its id (12 digits at least). */
export function findImage(index: CacheIndex, reference: string): ImageRecord | undefined {
  const named = index.names.get(normalizeName(reference));
  if (named !== undefined) return index.images.get(named);
  const digits = reference.replace(/^sha256:/, '');
  if (!/^[0-9a-f]{12,64}$/.test(digits)) return undefined;
  const start = `sha256:${digits}`;
  for (const { key, value } of index.images.getRange({ start, limit: 1 })) {
    if (key.startsWith(start)) return value;
  }
  return undefined;
}

/** The names of an image, sorted. */
export function namesOf({ names }: CacheIndex, id: string): string[] {
  return [...names.getRange()].flatMap(({ key, value }) => (value === id ? [key] : []));
}

/** What `removeImage` did. */
export interface ImageRemoval {
  /** Names that are gone. */
  readonly untagged: readonly string[];
  /** Id of the image, when it is gone too. */
  readonly removed: string | undefined;
  /** Layers that no image, entry or process needed any more. */
  readonly layers: readonly LayerId[];
  /** Bytes that the file system got back. */
  readonly freedBytes: number;
}

/**
 * Removes a name, and with the last one the image. Given an id, it removes all names of the image.
 * Its layers stay in the cache: the next build or pull may find them.
 * @param reference name, id, or the beginning of an id
 * @throws NotFoundError
 */
export async function removeImage(store: Store, reference: string): Promise<ImageRemoval> {
  const { removeImageRecord } = await import('./remove-image.js');
  return removeImageRecord(store, reference);
}
