/** Reading and writing entries of the cache as a whole: step, layer and look-up tables together. */

import type { TreeReader } from '../context/tree.js';
import { decodeTree } from '../context/tree.js';
import { StoreError } from '../errors.js';
import type { ContentKey, DefinitionKey, OperationDigest, TreeDigest } from '../keys/digest.js';
import type { CacheIndex } from './index-db.js';
import type { LayerId, LayerRecord, StepRecord } from './records.js';
import { isKnownLayer } from './remote-layers.js';

/** How many entries of one operation are remembered as candidates, newest first. */
const CANDIDATES = 16;

/** Makes a step and its layer visible, in one transaction, and gives the step's lease back. */
export function publishEntry(
  index: CacheIndex,
  step: StepRecord,
  layer: LayerRecord | undefined,
): void {
  index.environment.transactionSync(() => {
    index.steps.putSync(step.key, step);
    if (step.contentKey !== undefined) index.contents.putSync(step.contentKey, step.key);
    if (layer) index.layers.putSync(layer.id, layer);
    const candidates = index.operations.get(step.operation) ?? [];
    const others = candidates.filter((key) => key !== step.key);
    index.operations.putSync(step.operation, [step.key, ...others].slice(0, CANDIDATES));
    index.usage.putSync(step.key, { lastUsed: step.created, hits: 0 });
    index.leases.removeSync(step.key);
  });
}

/** Makes a layer that was fetched visible: it is here from now on. */
export function publishFetchedLayer(
  index: CacheIndex,
  diffId: string,
  id: LayerId,
  measures: Pick<LayerRecord, 'files' | 'bytes' | 'opaque' | 'blob'>,
): void {
  index.environment.transactionSync(() => {
    const { key, digest } = index.remoteLayers.get(id) ?? { key: undefined, digest: undefined };
    const made = { key, created: Date.now(), digest, tree: undefined };
    index.layers.putSync(id, { id, ...measures, ...made });
    index.remoteLayers.removeSync(id);
    index.diffIds.putSync(diffId, id);
  });
}

/** Is everything that an entry needs still there, or known to be somewhere else? */
function isComplete(index: CacheIndex, { layer }: StepRecord): boolean {
  return layer === undefined || isKnownLayer(index, layer);
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
}

/** Changes the record of a layer. */
export function updateLayer(index: CacheIndex, id: LayerId, change: Partial<LayerRecord>): void {
  const record = index.layers.get(id);
  if (record) index.layers.putSync(id, { ...record, ...change });
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
