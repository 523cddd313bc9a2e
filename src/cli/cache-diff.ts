/** `wiac cache diff`: what went into two keys, and the files of their layers, beside each other. */

import type { TreeChange } from '../fs/scan/tree.js';
import { diffTrees } from '../fs/scan/tree.js';
import type { TreeDigest } from '../keys/digest.js';
import { findEntry } from '../store/entries/cache-queries.js';
import { findByDefinition, treeReader } from '../store/entries/entries.js';
import type { IndexScanStore } from '../store/entries/scan-store.js';
import { findLayer } from '../store/layers/find-layers.js';
import { layerTree } from '../store/layers/layer-tree.js';
import type { StepRecord } from '../store/records.js';
import type { Store } from '../store/store.js';
import { compareInputs } from '../why/compare.js';
import { describeChange, describeDifference } from '../why/describe-change.js';
import type { SetExitCode } from './declare/options.js';
import { withScanStore, withStoreAsRoot } from './with-store.js';

async function getTree(
  store: Store,
  { layer }: StepRecord,
  scanStore: IndexScanStore,
): Promise<TreeDigest | undefined> {
  const record = layer === undefined ? undefined : findLayer(store, layer);
  return record && layerTree(store, record, scanStore);
}

/** Prints the differences from the first to the second. @throws NotFoundError */
export function diffCommand(
  first: string,
  second: string,
  options: { readonly format: 'table' | 'json' },
  setExitCode: SetExitCode,
): Promise<void> {
  return withStoreAsRoot(setExitCode, (store) =>
    withScanStore(store, async (scanStore) => {
      const before = findEntry(store, first);
      const after = findEntry(store, second);
      const trees = [
        await getTree(store, before, scanStore),
        await getTree(store, after, scanStore),
      ] as const;
      const read = treeReader(scanStore.readTree);
      const inputs = [...compareInputs(before.inputs, after.inputs, read)];
      const files: TreeChange[] = [...diffTrees(read, ...trees)];
      if (options.format === 'json') {
        const { key: from } = before;
        process.stdout.write(
          `${JSON.stringify({ before: from, after: after.key, inputs, files }, null, 2)}\n`,
        );
        return;
      }
      const parent = (index: number) => {
        // One that read fewer steps is told which it reads no more.
        const key = after.inputs.parents[index] ?? before.inputs.parents[index];
        const text = key === undefined ? undefined : findByDefinition(store, key)?.inputs.text;
        return text === undefined ? `the step below (${key?.slice(0, 12) ?? 'none'})` : text;
      };
      const sections = [
        ...inputs.map((difference) => `input: ${describeDifference(difference, parent)}`),
        ...files.map((change) => `layer: ${describeChange(change)}`),
      ];
      process.stdout.write(
        sections.length === 0 ? 'no difference\n' : sections.map((line) => `${line}\n`).join(''),
      );
    }),
  );
}
