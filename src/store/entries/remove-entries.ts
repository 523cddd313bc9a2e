/**
 * Removal: first one transaction, after which no look-up finds the entries, then the directories are
 * moved to tmp/ and deleted. After a crash in between, the next build finds by the notes in tmp/
 * which layers were to go (sweep.ts); the next prune collects whatever else the index does not know.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { removeTree } from '../../fs/remove-tree.js';
import type { DefinitionKey } from '../../keys/digest.js';
import { checkpoint } from '../../util/checkpoint.js';
import { dropEntry, removeImageRow } from '../gc/drop.js';
import type { PruneItem } from '../gc/prune-input.js';
import type { PrunePlan } from '../gc/prune-plan.js';
import { planItems } from '../gc/prune-plan.js';
import { readPruneInput } from '../gc/prune-state.js';
import { addCacheBytes } from '../gc/totals.js';
import type { CacheIndex } from '../index/index-db.js';
import { getTables } from '../index/tables.js';
import { write } from '../index/transaction.js';
import { announceRemoval, layerLink, removeLayer, temporaryPath } from '../layers/layer-store.js';
import { forgetUnreferenced } from '../layers/remote-layers.js';
import { blobPath } from '../paths.js';
import type { LiveUses } from '../pins/uses.js';
import { liveUses } from '../pins/uses.js';
import type { LayerId, StepRecord } from '../records.js';
import { getBlobs, withoutBlob } from '../records.js';
import { blobMark, layerMark } from '../recovery/durability.js';
import type { Store } from '../store.js';

/** The files to delete after a removal from the index. */
export interface Leftovers {
  readonly layers: readonly LayerId[];
  /** Directories in tmp/ with blobs that no layer has any more. */
  readonly aside: readonly string[];
}

/** Layers and blobs that are on disk. */
export interface Listed {
  readonly layers: readonly LayerId[];
  /** Digests. */
  readonly blobs: readonly string[];
}

/** Which of these blobs does no layer have? */
function unneededBlobs(index: CacheIndex, digests: ReadonlySet<string>): string[] {
  if (digests.size === 0) return [];
  const needed = new Set<string>();
  for (const { value } of index.layers.getRange())
    for (const { digest } of getBlobs(value)) needed.add(digest);
  return [...digests].filter((digest) => !needed.has(digest));
}

/** Moves a layer or blob out of the way, unless another process did. */
function moveAside(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/**
 * Takes blobs from their places. Part of the transaction that takes their last rows: behind it another process may make
 * the same blob again, which has the same name.
 */
function setBlobsAside({ paths }: Store, digests: readonly string[]): string[] {
  if (digests.length === 0) return [];
  // In tmp/ under this process's name: if it dies half-way, the next one knows that it is garbage.
  const aside = temporaryPath(paths);
  mkdirSync(aside, { mode: 0o700 });
  for (const digest of digests) {
    const path = blobPath(paths, digest);
    moveAside(path, join(aside, basename(path)));
  }
  return [aside];
}

function removeItem(index: CacheIndex, { kind, id, layer }: PruneItem): void {
  if (kind === 'entry') {
    const record = index.steps.get(id as DefinitionKey);
    if (record) dropEntry(index, record);
  } else if (kind === 'image') removeImageRow(index, id);
  else if (kind === 'blob' && layer !== undefined) {
    const record = index.layers.get(layer);
    if (!record) return;
    const without = withoutBlob(record, id);
    index.files.layers.put(without);
    index.layers.putSync(layer, without);
  }
}

/**
 * Removes what a plan says from the index, and announces which files are going to go. Part of the
 * caller's write transaction.
 */
export function removeFromIndex(store: Store, { items, layers }: PrunePlan): Leftovers {
  const { paths } = store;
  const index = getTables(store);
  const blobs = new Set<string>();
  for (const { item } of items) {
    if (item.kind === 'blob') blobs.add(item.id);
    removeItem(index, item);
  }
  for (const id of layers) {
    const record = index.layers.get(id);
    for (const { digest } of record ? getBlobs(record) : []) blobs.add(digest);
    index.files.layers.remove(id);
    index.layers.removeSync(id);
    index.unsynced.removeSync(layerMark(id));
    announceRemoval(paths, id);
  }
  if (layers.size > 0) {
    for (const { key, value } of [...index.diffIds.getRange()])
      if (layers.has(value)) index.diffIds.removeSync(key);
  }
  forgetUnreferenced(index);
  const unneeded = unneededBlobs(index, blobs);
  for (const digest of unneeded) index.unsynced.removeSync(blobMark(digest));
  return { layers: [...layers], aside: setBlobsAside(store, unneeded) };
}

/**
 * Deletes the files of what was removed from the index.
 * @returns bytes that the file system got back
 */
export function deleteLeftovers(store: Store, { layers, aside: others }: Leftovers): number {
  const { paths } = store;
  checkpoint('remove:unlisted');
  const aside = temporaryPath(paths);
  mkdirSync(aside, { mode: 0o700 });
  const moved = layers.filter((id) => {
    rmSync(layerLink(paths, id), { force: true });
    checkpoint('remove:unlinked');
    return moveAside(join(paths.layers, id), join(aside, id));
  });
  let freed = 0;
  for (const path of others) freed += removeTree(path);
  for (const id of moved) freed += removeTree(join(aside, id));
  for (const id of layers) removeLayer(paths, id);
  rmdirSync(aside);
  return freed;
}

/** Names in a directory that may not be there. */
function namesIn(path: string): string[] {
  return existsSync(path) ? readdirSync(path) : [];
}

/** Layers and blobs on disk, to be compared with the index later. */
export function listFiles({ paths }: Store): Listed {
  return {
    layers: [...new Set([...namesIn(paths.layers), ...namesIn(paths.links)])] as LayerId[],
    blobs: namesIn(join(paths.blobs, 'sha256')).map((digest) => `sha256:${digest}`),
  };
}

/**
 * Files on disk that are not in the index. Part of a write transaction.
 * @param listed what `listFiles` found before the transaction began: a process that had placed it by then
 *   and not published it yet is still at work, and nothing of that kind is garbage for sure
 */
export function orphans(store: Store, listed: Listed, uses: LiveUses): Leftovers {
  const index = getTables(store);
  const blobs = uses.compressing ? [] : unneededBlobs(index, new Set(listed.blobs));
  return {
    layers: uses.publishing ? [] : listed.layers.filter((id) => !index.layers.doesExist(id)),
    aside: setBlobsAside(store, blobs),
  };
}

/** What a removal did. */
export interface Removal {
  readonly key: DefinitionKey;
  /** Something else needs its layer, which stays here. */
  readonly layerKept: boolean;
}

/**
 * Removes entries, and layers that no other entry, image or running process needs. A layer that
 * others were built on stays until they are gone.
 */
export function removeEntries(store: Store, records: readonly StepRecord[]): Removal[] {
  const index = getTables(store);
  const keys = new Set<string>(records.map(({ key }) => key));
  // What exactly is freed does not matter here, so that nothing has to be measured.
  const measured = { at: Number.POSITIVE_INFINITY, own: new Map(), shares: [] };
  const leftovers = write(index, () => {
    const input = readPruneInput(index, measured, liveUses(index), {}, Date.now());
    const plan = planItems(
      input,
      input.items.filter(({ kind, id }) => kind === 'entry' && keys.has(id)),
    );
    return removeFromIndex(store, plan);
  });
  const freed = deleteLeftovers(store, leftovers);
  write(index, () => addCacheBytes(index, -freed));
  return records.map(({ key, layer }) => ({
    key,
    layerKept: layer !== undefined && index.layers.doesExist(layer),
  }));
}
