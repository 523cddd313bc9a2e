/** Look-ups in caches of other machines (--cache-from). Reads their entries, not their layers. */

import type { ContentKey, DefinitionKey, OperationDigest } from '../keys/digest.js';
import { ImageError } from '../oci/image-error.js';
import type { EntryList, ListedEntry } from '../shared-cache/entry-list.js';
import type { ReadCache } from '../shared-cache/read-cache.js';
import { hasLayer, layerByDiffId } from '../store/layers/find-layers.js';
import { diffIdOf, layerOfDiffId } from '../store/layers/remote-layers.js';
import type { LayerId, StepRecord } from '../store/records.js';
import type { Store } from '../store/store.js';
import type { LayerOrigin, LayerOrigins } from './images/needed-layers.js';
import { addOrigin, usableOrigin } from './images/needed-layers.js';
import type { KeyedInputs, StepState } from './lookup.js';

/** One `--cache-from`. */
export interface CacheSource {
  readonly title: string;
  /** A failure ends the build. */
  readonly required: boolean;
  /** @throws ImageError */
  readonly read: () => Promise<ReadCache>;
}

/**
 * All caches of a build. Nothing is asked before the first look-up. What is found is no entry of
 * this store yet: the caller publishes it.
 */
export interface SharedCache {
  /** An entry with this definition key that was made on the same layers. */
  readonly definition: (
    keyed: KeyedInputs,
    base: StepState,
    reads: readonly StepState[],
  ) => Promise<StepRecord | undefined>;
  /** Is there an entry of the same instruction, so that a content key may find it? */
  readonly hasOperation: (operation: OperationDigest) => Promise<boolean>;
  readonly content: (
    key: ContentKey,
    keyed: KeyedInputs,
    base: StepState,
    reads: readonly StepState[],
  ) => Promise<StepRecord | undefined>;
}

interface OpenCache {
  readonly list: EntryList;
  readonly byKey: ReadonlyMap<DefinitionKey, ListedEntry>;
  readonly byContent: ReadonlyMap<ContentKey, ListedEntry>;
  readonly operations: ReadonlySet<OperationDigest>;
  readonly isUsable: () => boolean;
  readonly origins: readonly LayerOrigin[];
}

/** What shared caches need of a build. */
export interface SharedCacheSession {
  readonly store: Store;
  readonly origins: LayerOrigins;
  readonly warn: (message: string) => void;
}

async function openOne(
  session: SharedCacheSession,
  source: CacheSource,
): Promise<OpenCache | undefined> {
  let failed = false;
  const reportFailure = (error: ImageError) => {
    if (source.required) throw error;
    if (!failed) session.warn(`the cache ${source.title} is not used: ${error.message}`);
    failed = true;
  };
  const isUsable = () => !failed;
  try {
    const { list, layers } = await source.read();
    const byContent = new Map<ContentKey, ListedEntry>();
    for (const entry of list.entries)
      if (entry.contentKey !== undefined) byContent.set(entry.contentKey, entry);
    return {
      list,
      byKey: new Map(list.entries.map((entry) => [entry.key, entry])),
      byContent,
      operations: new Set(list.entries.map(({ operation }) => operation)),
      isUsable,
      origins: layers.map((layer) => ({ layer, isUsable, reportFailure })),
    };
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    reportFailure(error);
    return undefined;
  }
}

/** The entry with the names that this store has for layers; undefined when its layer is gone. */
function toRecord(
  { store, origins }: SharedCacheSession,
  { list }: OpenCache,
  entry: ListedEntry,
  keyed: KeyedInputs,
  base: StepState,
  reads: readonly StepState[],
): StepRecord | undefined {
  const listed = entry.layer === undefined ? undefined : list.layers[entry.layer];
  let layer: LayerId | undefined;
  if (listed) {
    const { diffId, digest } = listed;
    const here = layerByDiffId(store, diffId);
    const isHere = here !== undefined && hasLayer(store, here);
    if (!isHere && !usableOrigin(origins, diffId)) return undefined;
    layer = layerOfDiffId(store, diffId, { digest, key: keyed.key });
  }
  return {
    key: keyed.key,
    contentKey: entry.contentKey,
    operation: keyed.operation,
    inputs: { ...keyed.inputs, files: entry.inputs.files },
    base: base.layers,
    readLayers: reads.map(({ layers }) => layers),
    reads: entry.reads,
    layer,
    created: entry.created,
    durationMs: entry.durationMs,
    imported: true,
  };
}

/** The caches of a build's `--cache-from`, in their order. */
export function openSharedCache(
  session: SharedCacheSession,
  sources: readonly CacheSource[],
): SharedCache {
  const openAll = async (): Promise<OpenCache[]> => {
    const all = await Promise.all(sources.map((source) => openOne(session, source)));
    const usable = all.filter((cache) => cache !== undefined);
    // In the order of the command line, whoever answered first.
    for (const { origins } of usable)
      for (const origin of origins) addOrigin(session.origins, origin);
    return usable;
  };
  let opened: Promise<OpenCache[]> | undefined;
  const caches = async (): Promise<OpenCache[]> => {
    opened ??= openAll();
    return (await opened).filter((cache) => cache.isUsable());
  };
  const { store } = session;

  const madeOn = ({ list }: OpenCache, places: readonly number[], { layers }: StepState): boolean =>
    places.length === layers.length &&
    layers.every((id, at) => {
      const listed = list.layers[places[at] ?? -1];
      return listed !== undefined && listed.diffId === diffIdOf(store, id);
    });

  return {
    definition: async (keyed, base, reads) => {
      for (const cache of await caches()) {
        const entry = cache.byKey.get(keyed.key);
        const { parents } = entry ?? {};
        if (!entry || parents?.reads.length !== reads.length) continue;
        const same =
          madeOn(cache, parents.base, base) &&
          reads.every((state, at) => madeOn(cache, parents.reads[at] ?? [], state));
        const record = same ? toRecord(session, cache, entry, keyed, base, reads) : undefined;
        if (record) return record;
      }
      return undefined;
    },
    hasOperation: async (operation) =>
      (await caches()).some(({ operations }) => operations.has(operation)),
    content: async (key, keyed, base, reads) => {
      for (const cache of await caches()) {
        const entry = cache.byContent.get(key);
        const record = entry && toRecord(session, cache, entry, keyed, base, reads);
        if (record) return record;
      }
      return undefined;
    },
  };
}
