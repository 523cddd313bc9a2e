/**
 * Removal: first one transaction, after which nobody finds what is to go, then the directories are
 * moved to tmp/ and deleted. A crash in between leaves directories that the index does not know;
 * the next prune collects them.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DefinitionKey } from '../keys/digest.js';
import { removeTree } from '../layers/disk-usage.js';
import { blobPath } from './blobs.js';
import type { CacheIndex } from './index-db.js';
import { temporaryPath } from './layer-store.js';
import type { PrunePlan } from './prune-plan.js';
import { planItems } from './prune-plan.js';
import { readPruneInput } from './prune-state.js';
import type { LayerId, StepRecord } from './records.js';
import type { Store } from './store.js';
import { addCacheBytes } from './totals.js';
import type { LiveUses } from './uses.js';
import { liveUses } from './uses.js';

/** What is left to delete after a removal from the index. */
export interface Leftovers {
  readonly layers: readonly LayerId[];
  /** Digests of blobs that no layer has any more. */
  readonly blobs: readonly string[];
}

function removeStep(index: CacheIndex, key: DefinitionKey): void {
  const record = index.steps.get(key);
  index.steps.removeSync(key);
  index.usage.removeSync(key);
  if (!record) return;
  const { contentKey, operation } = record;
  if (contentKey !== undefined && index.contents.get(contentKey) === key)
    index.contents.removeSync(contentKey);
  const others = (index.operations.get(operation) ?? []).filter((other) => other !== key);
  if (others.length > 0) index.operations.putSync(operation, others);
  else index.operations.removeSync(operation);
}

/** Which of these blobs does no layer have? */
function unneededBlobs(index: CacheIndex, digests: ReadonlySet<string>): string[] {
  if (digests.size === 0) return [];
  const needed = new Set<string>();
  for (const { value } of index.layers.getRange()) if (value.blob) needed.add(value.blob.digest);
  return [...digests].filter((digest) => !needed.has(digest));
}

/** Removes what a plan says from the index. Part of the caller's write transaction. */
export function removeFromIndex(index: CacheIndex, { items, layers }: PrunePlan): Leftovers {
  const blobs = new Set<string>();
  for (const { item } of items) {
    if (item.kind === 'entry') removeStep(index, item.id as DefinitionKey);
    else if (item.kind === 'image') index.images.removeSync(item.id);
    else if (item.kind === 'blob' && item.layer !== undefined) {
      const record = index.layers.get(item.layer);
      if (record?.blob) {
        const { blob, ...rest } = record;
        blobs.add(blob.digest);
        index.layers.putSync(item.layer, rest);
      }
    }
  }
  for (const id of layers) {
    const digest = index.layers.get(id)?.blob?.digest;
    if (digest !== undefined) blobs.add(digest);
    index.layers.removeSync(id);
  }
  if (layers.size > 0) {
    for (const { key, value } of [...index.diffIds.getRange()])
      if (layers.has(value)) index.diffIds.removeSync(key);
  }
  return { layers: [...layers], blobs: unneededBlobs(index, blobs) };
}

/** Moves a layer out of the way, unless somebody else did. */
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
 * Deletes the files of what was removed from the index.
 * @returns bytes that the file system got back
 */
export function deleteLeftovers(store: Store, { layers, blobs }: Leftovers): number {
  const { paths } = store;
  // In tmp/ under this process's name: if it dies half-way, the next one knows that it is garbage.
  const aside = temporaryPath(paths);
  mkdirSync(aside, { mode: 0o700 });
  const moved = layers.filter((id) => {
    rmSync(join(paths.links, id), { force: true });
    return moveAside(join(paths.layers, id), join(aside, id));
  });
  let freed = 0;
  for (const digest of blobs) freed += removeTree(blobPath(store, digest));
  for (const id of moved) freed += removeTree(join(aside, id));
  rmdirSync(aside);
  return freed;
}

/** Names in a directory that may not be there. */
function namesIn(path: string): string[] {
  return existsSync(path) ? readdirSync(path) : [];
}

/** Layers and blobs on disk, to be compared with the index later. */
export function listFiles({ paths }: Store): Leftovers {
  return {
    layers: [...new Set([...namesIn(paths.layers), ...namesIn(paths.links)])] as LayerId[],
    blobs: namesIn(join(paths.blobs, 'sha256')).map((digest) => `sha256:${digest}`),
  };
}

/**
 * What is on disk and not in the index. Part of a write transaction.
 * @param listed what `listFiles` found before the transaction began: whoever had placed it by then
 *   and not published it yet is still at work, and nothing of that kind is garbage for sure
 */
export function orphans(index: CacheIndex, listed: Leftovers, uses: LiveUses): Leftovers {
  return {
    layers: uses.publishing ? [] : listed.layers.filter((id) => !index.layers.doesExist(id)),
    blobs: uses.compressing ? [] : unneededBlobs(index, new Set(listed.blobs)),
  };
}

/** What a removal did. */
export interface Removal {
  readonly key: DefinitionKey;
  /** The layer went as well. */
  readonly layerRemoved: boolean;
}

/**
 * Removes entries, and layers that no other entry, image or running process needs. A layer that
 * others were built on stays until they are gone.
 */
export function removeEntries(store: Store, records: readonly StepRecord[]): Removal[] {
  const { index } = store;
  const keys = new Set<string>(records.map(({ key }) => key));
  // What exactly is freed does not matter here, so that nothing has to be measured.
  const measured = { at: Number.POSITIVE_INFINITY, own: new Map(), shares: [] };
  const { leftovers, layers } = index.environment.transactionSync(() => {
    const input = readPruneInput(index, measured, liveUses(index), {}, Date.now());
    const plan = planItems(
      input,
      input.items.filter(({ kind, id }) => kind === 'entry' && keys.has(id)),
    );
    return { leftovers: removeFromIndex(index, plan), layers: plan.layers };
  });
  const freed = deleteLeftovers(store, leftovers);
  index.environment.transactionSync(() => addCacheBytes(index, -freed));
  return records.map(({ key, layer }) => ({
    key,
    layerRemoved: layer !== undefined && layers.has(layer),
  }));
}
