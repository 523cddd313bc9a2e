/** Finds the layer that a COPY can link its unchanged files from. */
import type { FormerCopy } from '../executor/executor.js';
import { findByOperation } from '../store/entries/entries.js';
import { findLayer, hasLayer } from '../store/layers/find-layers.js';
import { canonicalJson } from '../util/canonical-json.js';
import type { LookupSession } from './build-session.js';
import type { DestinationReads, KeyedInputs } from './lookup.js';

/**
 * A layer that the same instruction made before at the same place. It is not declared as used: what
 * is pruned before it is linked is copied.
 */
export function findFormerCopy(
  session: LookupSession,
  keyed: KeyedInputs,
  reads: DestinationReads,
): FormerCopy | undefined {
  const facts = canonicalJson(reads.facts);
  const { store } = session;
  for (const record of findByOperation(store, keyed.operation)) {
    // Elsewhere, or beside other directories, the same file could get another path.
    if (record.layer === undefined || canonicalJson(record.reads ?? null) !== facts) continue;
    // What another machine made may be there without its files, or without the trees of them.
    const trees = record.inputs.files.map(({ tree }) => tree);
    if (!hasLayer(store, record.layer)) continue;
    if (!trees.every((tree) => session.scanStore.readTree(tree) !== undefined)) continue;
    return {
      layer: record.layer,
      selections: record.inputs.files,
      group: findLayer(store, record.layer)?.links?.group ?? record.layer,
    };
  }
  return undefined;
}
