/** Reading and writing entries of the cache as a whole: step, layer and look-up tables together. */

import { rmSync } from 'node:fs';
import type { TreeReader } from '../../fs/scan/tree.js';
import { decodeTree } from '../../fs/scan/tree.js';
import type { ContentKey, DefinitionKey, OperationDigest, TreeDigest } from '../../keys/digest.js';
import { StoreError } from '../../util/errors.js';
import { addCacheBytes, addedBytes } from '../gc/totals.js';
import type { CacheIndex } from '../index/index-db.js';
import type { Indexed } from '../index/tables.js';
import { getTables } from '../index/tables.js';
import { write } from '../index/transaction.js';
import { isKnownLayer } from '../layers/remote-layers.js';
import { declareUse, noteUsed } from '../pins/uses.js';
import type { LayerId, LayerRecord, StepRecord } from '../records.js';
import { getBlobs } from '../records.js';
import { layerMark, markUnsynced } from '../recovery/durability.js';
import type { FreshFiles } from '../recovery/fresh-files.js';
import { noteFresh } from '../recovery/fresh-files.js';
import { noteRelated } from './related.js';
import type { Unwritten } from './scan-store.js';
import { noteTime } from './timeline.js';

/** How many entries of one operation are remembered as candidates, newest first. */
const CANDIDATES = 16;

/** A step that is to become visible. */
export interface NewEntry {
  readonly step: StepRecord;
  /** Undefined when the step has none, or one that is in the index already. */
  readonly layer: LayerRecord | undefined;
  /** Of a layer with links into another one. */
  readonly fresh?: FreshFiles | undefined;
  /** Files of the records, where they are written already. */
  readonly drafts?: { readonly step: string; readonly layer: string | undefined } | undefined;
}

/**
 * A layer that came below others, or with an image, was taken for that of an image until now: those keep the times of
 * their files whatever a build asks for, and no cache passes them on.
 */
function nameMaker(index: CacheIndex, { key, layer: id }: StepRecord): void {
  if (id === undefined) return;
  const here = index.layers.get(id);
  if (here) {
    if (here.key === undefined) changeLayer(index, id, { key });
    return;
  }
  const remote = index.remoteLayers.get(id);
  if (!remote || remote.key !== undefined) return;
  const named = { ...remote, key };
  index.files.remoteLayers.put(named);
  index.remoteLayers.putSync(id, named);
}

function putEntry(index: CacheIndex, { step, layer, fresh, drafts }: NewEntry): void {
  index.files.steps.put(step, drafts?.step);
  if (!layer) nameMaker(index, step);
  if (layer) {
    index.files.layers.put(layer, drafts?.layer);
    index.layers.putSync(layer.id, layer);
    addCacheBytes(index, addedBytes(layer));
    markUnsynced(index, layerMark(layer.id));
    if (fresh) noteFresh(index, layer.id, fresh);
  }
  indexEntry(index, step);
}

/**
 * Makes steps and their layers visible, all in one transaction, then gives their leases back. The
 * layers are in use by this process from then on.
 * @param unwritten what the entries refer to: it becomes visible with them
 * @throws LayersGoneError when a layer that was in the index was removed meanwhile
 */
export function publishEntries(
  store: Indexed,
  entries: readonly NewEntry[],
  unwritten?: Unwritten,
): void {
  const index = getTables(store);
  const known = entries.flatMap(({ step, layer }) => (layer ? [] : (step.layer ?? [])));
  const made = entries.flatMap(({ layer }) => layer?.id ?? []);
  write(index, () => {
    // This may fail: it comes before anything is written.
    declareUse(index, { layers: known });
    unwritten?.put();
    for (const entry of entries) putEntry(index, entry);
    if (made.length > 0) declareUse(index, { layers: made });
  });
  noteUsed(index, [...known, ...made]);
  unwritten?.written();
  // Another process may hold it: an entry of a shared cache is published without.
  for (const { step } of entries) if (index.held.delete(step.key)) index.leases.remove(step.key);
}

/** The same of one step. @throws LayersGoneError */
export function publishEntry(
  store: Indexed,
  step: StepRecord,
  layer: LayerRecord | undefined,
  unwritten?: Unwritten,
): void {
  publishEntries(store, [{ step, layer }], unwritten);
}

/** Writes the records of an entry to tmp/, for publishEntries. */
export function draftEntry(
  store: Indexed,
  step: StepRecord,
  layer: LayerRecord | undefined,
): NewEntry['drafts'] {
  const { files } = getTables(store);
  const drafts = { step: files.steps.draft(step), layer: undefined };
  try {
    return { ...drafts, layer: layer && files.layers.draft(layer) };
  } catch (error) {
    dropDrafts(drafts);
    throw error;
  }
}

/** Removes them, where they came to nothing. */
export function dropDrafts(drafts: NewEntry['drafts']): void {
  for (const path of [drafts?.step, drafts?.layer])
    if (path !== undefined) rmSync(path, { force: true });
}

/** Writes a step and its rows in look-up tables. Part of the caller's write transaction. */
export function indexEntry(index: CacheIndex, step: StepRecord): void {
  const former = index.steps.get(step.key)?.contentKey;
  if (former !== undefined && index.contents.get(former) === step.key)
    index.contents.removeSync(former);
  noteTime(index, step);
  index.steps.putSync(step.key, step);
  if (step.contentKey !== undefined) index.contents.putSync(step.contentKey, step.key);
  const candidates = index.operations.get(step.operation) ?? [];
  const others = candidates.filter((key) => key !== step.key);
  index.operations.putSync(step.operation, [step.key, ...others].slice(0, CANDIDATES));
  noteRelated(index, step);
  index.usage.putSync(step.key, { lastUsed: step.created, hits: 0 });
}

/** Is everything that an entry needs still there, or known to be somewhere else? */
function isComplete(index: CacheIndex, { layer }: StepRecord): boolean {
  return layer === undefined || isKnownLayer({ index }, layer);
}

/** The entry of a definition key. */
export function findByDefinition(store: Indexed, key: DefinitionKey): StepRecord | undefined {
  const index = getTables(store);
  const record = index.steps.get(key);
  return record && isComplete(index, record) ? record : undefined;
}

/** The entry of a content key. */
export function findByContent(store: Indexed, key: ContentKey): StepRecord | undefined {
  const index = getTables(store);
  const definition = index.contents.get(key);
  const record = definition === undefined ? undefined : findByDefinition({ index }, definition);
  // The entry may have been replaced since by one that read something else.
  return record?.contentKey === key ? record : undefined;
}

/** Entries of the same operation, newest first. */
export function findByOperation(store: Indexed, operation: OperationDigest): StepRecord[] {
  const index = getTables(store);
  return (index.operations.get(operation) ?? []).flatMap((key) => {
    const record = findByDefinition({ index }, key);
    return record ? [record] : [];
  });
}

function blobBytes(record: LayerRecord): number {
  return getBlobs(record).reduce((sum, { size }) => sum + size, 0);
}

/** Changes the record of a layer, if it is there. Part of the caller's write transaction. */
export function changeLayer(index: CacheIndex, id: LayerId, change: Partial<LayerRecord>): void {
  const record = index.layers.get(id);
  if (!record) return;
  const changed = { ...record, ...change };
  index.files.layers.put(changed);
  index.layers.putSync(id, changed);
  addCacheBytes(index, blobBytes(changed) - blobBytes(record));
}

/**
 * Changes records of published layers, all in one transaction; one that was removed meanwhile stays removed.
 * @param unwritten what the changes refer to: it becomes visible with them
 */
export function updateLayers(
  index: CacheIndex,
  changes: ReadonlyMap<LayerId, Partial<LayerRecord>>,
  unwritten?: Unwritten,
): void {
  write(index, () => {
    unwritten?.put();
    for (const [id, change] of changes) changeLayer(index, id, change);
  });
  unwritten?.written();
}

/**
 * Changes the record of a layer; one that was removed meanwhile stays removed.
 * @param unwritten what the change refers to: it becomes visible with it, or with the layer
 */
export function updateLayer(
  index: CacheIndex,
  id: LayerId,
  change: Partial<LayerRecord>,
  unwritten?: Unwritten,
): void {
  const unpublished = index.unpublished.get(id);
  if (unpublished) {
    index.unpublished.set(id, { ...unpublished, ...change });
    return;
  }
  updateLayers(index, new Map([[id, change]]), unwritten);
}

/** Gives an entry its content key, which is computed when it is first needed. */
export function completeEntry(store: Indexed, key: DefinitionKey, contentKey: ContentKey): void {
  const index = getTables(store);
  write(index, () => {
    const record = index.steps.get(key);
    if (!record || record.contentKey !== undefined) return;
    const completed = { ...record, contentKey };
    index.files.steps.put(completed);
    index.steps.putSync(key, completed);
    index.contents.putSync(contentKey, key);
  });
}

/** A reader for tree nodes. @param lookup gives a node's text */
export function treeReader(lookup: (digest: TreeDigest) => string | undefined): TreeReader {
  return (digest) => {
    const text = lookup(digest);
    if (text === undefined) {
      throw new StoreError(`the store lacks tree ${digest}`, {
        hint: 'remove the entry with wiac cache rm and build again',
      });
    }
    return decodeTree(text);
  };
}

/** Reads nodes of the trees that the store has. */
export function treeNodes(store: Indexed): (digest: TreeDigest) => string | undefined {
  const { trees } = getTables(store);
  return (digest) => trees.get(digest);
}
