/** Takes rows out of the index together with everything that is worth nothing without them. */
import type { DefinitionKey } from '../../keys/digest.js';
import { forgetRelated } from '../entries/related.js';
import { forgetTime } from '../entries/timeline.js';
import type { CacheIndex } from '../index/index-db.js';
import type { LayerId, LayerRecord, StepRecord } from '../records.js';
import { getBlobs, withoutBlob } from '../records.js';
import { blobMark, layerMark } from '../recovery/durability.js';

/** What went from the index. */
export interface Dropped {
  readonly entries: readonly DefinitionKey[];
  /** Names of images, or ids of those without one. */
  readonly images: readonly string[];
  /** Digests of blobs that no layer has any more; the caller removes their files. */
  readonly blobs: readonly string[];
}

function getDigests(record: LayerRecord | undefined): string[] {
  return record === undefined ? [] : getBlobs(record).map(({ digest }) => digest);
}

/** Removes an entry and its look-up rows; the caller is in a transaction. */
export function dropEntry(index: CacheIndex, record: StepRecord): void {
  index.files.steps.remove(record.key);
  index.steps.removeSync(record.key);
  index.usage.removeSync(record.key);
  forgetRelated(index, record);
  forgetTime(index, record);
  if (record.contentKey !== undefined && index.contents.get(record.contentKey) === record.key) {
    index.contents.removeSync(record.contentKey);
  }
  const others = (index.operations.get(record.operation) ?? []).filter((key) => key !== record.key);
  if (others.length > 0) index.operations.putSync(record.operation, others);
  else index.operations.removeSync(record.operation);
}

/** Removes a name; the caller is in a transaction. */
export function removeName(index: CacheIndex, name: string): void {
  index.files.names.remove(name);
  index.names.removeSync(name);
}

/** Removes an image, not its names; the caller is in a transaction. */
export function removeImageRow(index: CacheIndex, id: string): void {
  index.files.images.remove(id);
  index.images.removeSync(id);
}

/** Removes images with their names; the caller is in a transaction. @returns names, else ids */
export function dropImages(index: CacheIndex, ids: ReadonlySet<string>): string[] {
  const named = [...index.names.getRange()].filter(({ value }) => ids.has(value));
  for (const { key } of named) removeName(index, key);
  for (const id of ids) removeImageRow(index, id);
  const unnamed = [...ids].filter((id) => !named.some(({ value }) => value === id));
  return [...named.map(({ key }) => key), ...unnamed];
}

/**
 * Removes the records of layers, the entries that made them and the images that hold them; the
 * caller is in a transaction. Entries that were built on them stay: they are found by their content
 * when the same files are made again.
 */
export function dropLayers(index: CacheIndex, ids: ReadonlySet<LayerId>): Dropped {
  const entries = [...index.steps.getRange()].flatMap(({ value }) =>
    value.layer !== undefined && ids.has(value.layer) ? [value] : [],
  );
  for (const record of entries) dropEntry(index, record);
  const images = [...index.images.getRange()].flatMap(({ key, value }) =>
    value.layers.some((id) => ids.has(id)) ? [key] : [],
  );
  const diffIds = [...index.diffIds.getRange()].filter(({ value }) => ids.has(value));
  for (const { key } of diffIds) index.diffIds.removeSync(key);
  const blobs = new Set([...ids].flatMap((id) => getDigests(index.layers.get(id))));
  for (const id of ids) {
    index.files.layers.remove(id);
    index.layers.removeSync(id);
    index.unsynced.removeSync(layerMark(id));
  }
  if (blobs.size > 0) {
    for (const { value } of index.layers.getRange())
      for (const digest of getDigests(value)) blobs.delete(digest);
  }
  for (const digest of blobs) index.unsynced.removeSync(blobMark(digest));
  return {
    entries: entries.map(({ key }) => key),
    images: dropImages(index, new Set(images)),
    blobs: [...blobs],
  };
}

/** Forgets a blob; its layer stays. The caller is in a transaction. */
export function dropBlob(index: CacheIndex, digest: string): void {
  for (const { key, value } of [...index.layers.getRange()]) {
    if (!getDigests(value).includes(digest)) continue;
    const without = withoutBlob(value, digest);
    index.files.layers.put(without);
    index.layers.putSync(key, without);
  }
  index.unsynced.removeSync(blobMark(digest));
}
