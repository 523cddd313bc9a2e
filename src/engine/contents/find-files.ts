/** Which layers of a store hold a file, in which version. */
import { posix } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import type { TreeEntry } from '../../fs/scan/tree.js';
import { walkTree } from '../../fs/scan/tree.js';
import { compilePattern } from '../../fs/select/gomatch.js';
import type { DefinitionKey } from '../../keys/digest.js';
import { findByDefinition, treeReader } from '../../store/entries/entries.js';
import type { IndexScanStore } from '../../store/entries/scan-store.js';
import { allLayers } from '../../store/layers/find-layers.js';
import { layerTrees } from '../../store/layers/layer-tree.js';
import type { LayerId, LayerRecord } from '../../store/records.js';
import type { Store } from '../../store/store.js';
import { UsageError } from '../../util/errors.js';

/** A file in a layer. */
export interface FoundFile {
  readonly layer: LayerId;
  /** Of the entry that made the layer. */
  readonly key: DefinitionKey | null;
  readonly instruction: string;
  readonly path: string;
  readonly type: string;
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly digest: string | null;
  readonly target: string | null;
}

/** How files are looked for. */
export interface FindOptions {
  /** A text without a slash is a name, in whatever directory. */
  readonly byName?: boolean;
  readonly signal?: AbortSignal;
}

type Matcher = (path: string, entry: TreeEntry) => boolean;

/** A path in the image, with wildcards as COPY has them, or the digest of a file's content. */
function getMatcher(wanted: string, byName: boolean): Matcher {
  const digest = wanted.replace(/^sha256:/, '');
  if (/^[0-9a-f]{12,64}$/.test(digest)) {
    return (_, entry) => entry.type === 'file' && entry.digest.startsWith(digest);
  }
  const pattern = compilePattern(wanted.replace(/^\/+|\/+$/g, ''));
  if (!pattern.ok) throw new UsageError(`${wanted} is not a pattern: ${pattern.reason}`);
  const isName = byName && !wanted.includes('/');
  return (path) => pattern.matches(isName ? posix.basename(path) : path);
}

function describe(store: Store, { id, key }: LayerRecord, path: string, entry: TreeEntry) {
  const text = key === undefined ? undefined : findByDefinition(store, key)?.inputs.text;
  return {
    layer: id,
    key: key ?? null,
    instruction: text ?? (key === undefined ? 'layer of an image' : 'removed entry'),
    path: `/${path}`,
    // An overlay's whiteout: the layer hides the file of the layers below.
    type: entry.type === 'char' && entry.device === 0 ? 'whiteout' : entry.type,
    mode: entry.mode.toString(8).padStart(4, '0'),
    uid: entry.uid,
    gid: entry.gid,
    size: entry.type === 'file' ? entry.size : 0,
    digest: entry.type === 'file' ? `sha256:${entry.digest}` : null,
    target: entry.type === 'symlink' ? entry.target : null,
  };
}

/** Looks through all layers. @throws UsageError for a wrong pattern; the signal's reason */
export async function* findFiles(
  store: Store,
  scanStore: IndexScanStore,
  wanted: string,
  { byName = false, signal }: FindOptions = {},
): AsyncGenerator<FoundFile> {
  const matches = getMatcher(wanted, byName);
  const trees = layerTrees(store, scanStore);
  try {
    for (const layer of [...allLayers(store)]) {
      // Who serves others as well gets to it between two layers.
      await breathe(undefined, { signal });
      const tree = await trees.treeOf(layer);
      for (const { path, entry } of walkTree(treeReader(scanStore.readTree), tree))
        if (matches(path, entry)) yield describe(store, layer, path, entry);
    }
  } finally {
    trees.keep();
  }
}
