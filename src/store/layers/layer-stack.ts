/** Layers of the store as what reads their files takes them, and their digests. */
import type { Stack, StackLayer } from '../../fs/layer/stack.js';
import { stackOn } from '../../fs/layer/stack.js';
import { treeLookup } from '../../fs/scan/tree-lookup.js';
import type { TreeDigest } from '../../keys/digest.js';
import { getTables } from '../index/tables.js';
import type { LayerId } from '../records.js';
import type { Store } from '../store.js';
import { findLayer } from './find-layers.js';
import { getOpaque } from './layer-marks.js';
import { layerFiles } from './layer-store.js';

/** Reads a node of a tree; undefined where it is not known any more. */
type ReadTree = (digest: TreeDigest) => string | undefined;

/** A stack that others are put on; what was found out about it is kept as long as it is. */
export interface StackTree {
  readonly stack: Stack;
  readonly above: Map<LayerId, StackTree>;
}

/** Begins a tree of stacks, for one build. */
export function stackTree(): StackTree {
  return { stack: [], above: new Map() };
}

/** How many of these layers, from the bottom, make a stack that is known: their files are here. */
export function countStacked(layers: readonly LayerId[], tree: StackTree): number {
  let at: StackTree | undefined = tree;
  let count = -1;
  for (; at; count++) at = at.above.get(layers[count + 1] as LayerId);
  return count;
}

/**
 * layerStack for those that are asked for again and again, each with another layer on top. All of
 * the layers are published: they never change.
 */
export async function chainedStack(
  store: Store,
  layers: readonly LayerId[],
  tree: StackTree,
  readTree: ReadTree,
): Promise<Stack> {
  let at = tree;
  for (const id of layers) {
    let next = at.above.get(id);
    if (!next) {
      const [layer] = await layerStack(store, [id], readTree);
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
 * @param readTree finds nodes of their trees; those of layers of this build may not be in the index yet
 */
export async function layerStack(
  store: Store,
  layers: readonly LayerId[],
  readTree: ReadTree = (digest) => getTables(store).trees.get(digest),
): Promise<Stack> {
  const stack = await Promise.all(
    layers.map(async (id) => {
      const opaque = new Set(await getOpaque(store, id));
      let lookup: StackLayer['digested'];
      return {
        path: layerFiles(store, id),
        opaque,
        withoutXattrs: findLayer(store, id)?.withoutXattrs,
        // It may be digested while this stack is in use already.
        get digested() {
          const { tree } = lookup ? {} : (findLayer(store, id) ?? {});
          if (tree) lookup = treeLookup(readTree, tree);
          return lookup;
        },
      };
    }),
  );
  return stack.reverse();
}
