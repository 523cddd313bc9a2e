/** Layers of the store as what reads their files takes them, and their digests. */
import { digestLayer } from '../../fs/layer/layer-digest.js';
import type { Stack } from '../../fs/layer/stack.js';
import { stackOn } from '../../fs/layer/stack.js';
import { treeLookup } from '../../fs/scan/tree-lookup.js';
import type { LayerDigest } from '../../keys/digest.js';
import { updateLayer } from '../entries/entries.js';
import type { IndexScanStore } from '../entries/scan-store.js';
import { getTables } from '../index/tables.js';
import type { LayerId } from '../records.js';
import type { Store } from '../store.js';
import { findLayer } from './find-layers.js';
import { getOpaque } from './layer-marks.js';
import { layerFiles } from './layer-store.js';

/** A stack that others are put on; what was found out about it is kept as long as it is. */
export interface StackTree {
  readonly stack: Stack;
  readonly above: Map<LayerId, StackTree>;
}

/** Begins a tree of stacks, for one build. */
export function stackTree(): StackTree {
  return { stack: [], above: new Map() };
}

/**
 * layerStack for those that are asked for again and again, each with another layer on top. All of
 * the layers are published: they never change.
 */
export async function chainedStack(
  store: Store,
  layers: readonly LayerId[],
  tree: StackTree,
): Promise<Stack> {
  let at = tree;
  for (const id of layers) {
    let next = at.above.get(id);
    if (!next) {
      const [layer] = await layerStack(store, [id]);
      if (!layer) throw new Error(`no stack of ${id}`);
      next = at.above.get(id) ?? { stack: stackOn(at.stack, layer), above: new Map() };
      at.above.set(id, next);
    }
    at = next;
  }
  return at.stack;
}

/**
 * Layers that are here with what reading them takes, topmost first.
 * @param layers bottom first
 */
export async function layerStack(store: Store, layers: readonly LayerId[]): Promise<Stack> {
  const index = getTables(store);
  const stack = await Promise.all(
    layers.map(async (id) => {
      const opaque = new Set(await getOpaque(store, id));
      const { tree } = findLayer(store, id) ?? {};
      const digested = tree && treeLookup((digest) => index.trees.get(digest), tree);
      return { path: layerFiles(store, id), opaque, digested };
    }),
  );
  return stack.reverse();
}

/**
 * Digests of layers, computed once for each layer and kept in the index.
 * @param bring makes sure that the files of a layer are here, before they are read
 * @throws what `bring` throws
 */
export async function layerDigests(
  store: Store,
  scanStore: IndexScanStore,
  layers: readonly LayerId[],
  bring: (id: LayerId) => Promise<void> = async () => {},
): Promise<LayerDigest[]> {
  const index = getTables(store);
  const digests: LayerDigest[] = [];
  for (const id of layers) {
    let digest = (findLayer(store, id) ?? index.remoteLayers.get(id))?.digest;
    if (digest === undefined) {
      await bring(id);
      const opaque = await getOpaque(store, id);
      const computed = await digestLayer(layerFiles(store, id), opaque, scanStore);
      digest = computed.digest;
      updateLayer(index, id, computed);
    }
    digests.push(digest);
  }
  return digests;
}
