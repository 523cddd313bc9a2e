/** Reading and writing entries of the cache as a whole: step, layer and look-up tables together. */

import { checkpoint } from '../checkpoint.js';
import type { TreeReader } from '../context/tree.js';
import { decodeTree } from '../context/tree.js';
import { StoreError } from '../errors.js';
import type { ContentKey, DefinitionKey, OperationDigest, TreeDigest } from '../keys/digest.js';
import { blobMark, layerMark, markUnsynced } from './durability.js';
import type { CacheIndex } from './index-db.js';
import type { LayerId, LayerRecord, StepRecord } from './records.js';
import { noteRelated } from './related.js';
import { noteTime } from './timeline.js';

/** How many entries of one operation are remembered as candidates, newest first. */
const CANDIDATES = 16;

/** Makes a step and its layer visible, in one transaction, and gives the step's lease back. */
export function publishEntry(
  index: CacheIndex,
  step: StepRecord,
  layer: LayerRecord | undefined,
): void {
  index.environment.transactionSync(() => {
    const former = index.steps.get(step.key)?.contentKey;
    if (former !== undefined && index.contents.get(former) === step.key) {
      index.contents.removeSync(former);
    }
    noteTime(index, step);
    index.steps.putSync(step.key, step);
    if (step.contentKey !== undefined) index.contents.putSync(step.contentKey, step.key);
    if (layer) {
      index.layers.putSync(layer.id, layer);
      markUnsynced(index, layerMark(layer.id));
    }
    const candidates = index.operations.get(step.operation) ?? [];
    const others = candidates.filter((key) => key !== step.key);
    index.operations.putSync(step.operation, [step.key, ...others].slice(0, CANDIDATES));
    noteRelated(index, step);
    index.usage.putSync(step.key, { lastUsed: step.created, hits: 0 });
    index.leases.removeSync(step.key);
  });
}

/** Makes a layer of a base image visible. */
export function publishBaseLayer(
  index: CacheIndex,
  diffId: string,
  id: LayerId,
  measures: Pick<LayerRecord, 'files' | 'bytes' | 'opaque' | 'blob'>,
): void {
  index.environment.transactionSync(() => {
    const made = { key: undefined, created: Date.now(), digest: undefined, tree: undefined };
    index.layers.putSync(id, { id, ...measures, ...made });
    index.diffIds.putSync(diffId, id);
    markUnsynced(index, layerMark(id));
    if (measures.blob) markUnsynced(index, blobMark(measures.blob.digest));
  });
}

/** Is everything that an entry needs still there? */
function isComplete(index: CacheIndex, record: StepRecord): boolean {
  return record.layer === undefined || index.layers.doesExist(record.layer);
}

/** The entry of a definition key. */
export function findByDefinition(index: CacheIndex, key: DefinitionKey): StepRecord | undefined {
  const record = index.steps.get(key);
  return record && isComplete(index, record) ? record : undefined;
}

/** The entry of a content key. */
export function findByContent(index: CacheIndex, key: ContentKey): StepRecord | undefined {
  const definition = index.contents.get(key);
  const record = definition === undefined ? undefined : findByDefinition(index, definition);
  // The entry may have been replaced since by one that read something else.
  return record?.contentKey === key ? record : undefined;
}

/** Entries of the same operation, newest first. */
export function findByOperation(index: CacheIndex, operation: OperationDigest): StepRecord[] {
  return (index.operations.get(operation) ?? []).flatMap((key) => {
    const record = findByDefinition(index, key);
    return record ? [record] : [];
  });
}

/** Notes that entries were used, in one transaction. */
export async function touchEntries(
  index: CacheIndex,
  keys: readonly DefinitionKey[],
): Promise<void> {
  if (keys.length === 0) return;
  const lastUsed = Date.now();
  await index.usage.transaction(() => {
    for (const key of keys) {
      const hits = (index.usage.get(key)?.hits ?? 0) + 1;
      index.usage.put(key, { lastUsed, hits });
    }
  });
  checkpoint('usage:written');
}

/**
 * Changes the record of a layer, if it is still there: in one transaction, because another process
 * may change or remove it at the same time.
 */
export function updateLayer(index: CacheIndex, id: LayerId, change: Partial<LayerRecord>): void {
  index.environment.transactionSync(() => {
    const record = index.layers.get(id);
    if (record) index.layers.putSync(id, { ...record, ...change });
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
