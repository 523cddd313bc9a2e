/** Look-ups in caches of other machines (--cache-from). Reads their entries, not their layers. */

import type { ContentKey, DefinitionKey, OperationDigest } from '../keys/digest.js';
import { BlobDamagedError, ImageError, withHint } from '../oci/image-error.js';
import type { ResolvedLayer } from '../oci/resolved-image.js';
import type { EntryList, ListedEntry, ListedLayer } from '../shared-cache/entry-list.js';
import { makers } from '../shared-cache/entry-list.js';
import { isBlobLost } from '../shared-cache/places.js';
import type { ReadCache } from '../shared-cache/read-cache.js';
import type { MountSelection } from '../shared-cache/spec.js';
import { hasLayer, layerByDiffId } from '../store/layers/find-layers.js';
import { getDiffId, layerOfDiffId } from '../store/layers/remote-layers.js';
import type { LayerId, StepRecord } from '../store/records.js';
import type { Store } from '../store/store.js';
import { abortable } from '../util/abort.js';
import type { LayerOrigin, LayerOrigins } from './images/needed-layers.js';
import { addOrigin, usableOrigin } from './images/needed-layers.js';
import type { KeyedInputs, KnownParent, StepState } from './lookup.js';
import type { MountSource } from './mounts/restore-mount.js';
import type { Meter } from './transfers.js';

/** One `--cache-from`. */
export interface CacheSource {
  readonly title: string;
  /** A failure ends the build. */
  readonly required: boolean;
  /** One of several that are asked in turn, or one that the build writes: it need not be there. */
  readonly oneOf: boolean;
  /** The reference, if it is in a registry. */
  readonly registry: string | undefined;
  /** Cache mounts that are brought back; undefined: none. */
  readonly mounts: MountSelection | undefined;
  /** @throws ImageError */
  readonly read: () => Promise<ReadCache>;
}

/**
 * All caches of a build. Nothing is asked before the first look-up. What is found is no entry of
 * this store yet: the caller publishes it.
 */
export interface SharedCache {
  /**
   * An entry with this definition key that was made on the layers of the parents, as far as they
   * are known.
   */
  readonly definition: (
    keyed: KeyedInputs,
    parents: readonly KnownParent[],
  ) => Promise<StepRecord | undefined>;
  /** Is there an entry of the same instruction, so that a content key may find it? */
  readonly hasOperation: (operation: OperationDigest) => Promise<boolean>;
  readonly content: (
    key: ContentKey,
    keyed: KeyedInputs,
    base: StepState,
    reads: readonly StepState[],
  ) => Promise<StepRecord | undefined>;
  /** Fills an empty directory with a cache mount; see ExecutionIo. */
  readonly restoreMount: (name: string, directory: string, signal: AbortSignal) => Promise<boolean>;
}

/** HTTP. */
const NOT_FOUND = 404;

interface OpenCache {
  readonly mounts: MountSource;
  readonly list: EntryList;
  readonly byKey: ReadonlyMap<DefinitionKey, ListedEntry>;
  readonly byContent: ReadonlyMap<ContentKey, ListedEntry>;
  readonly operations: ReadonlySet<OperationDigest>;
  readonly makers: ReturnType<typeof makers>;
  readonly isUsable: () => boolean;
  readonly origins: readonly LayerOrigin[];
}

/** What shared caches need of a build. */
export interface SharedCacheSession {
  readonly store: Store;
  readonly origins: LayerOrigins;
  readonly warn: (message: string) => void;
  readonly meter: Meter;
  /** Ends the wait for a cache that does not answer. */
  readonly signal: AbortSignal;
}

/** Counts what cache mounts are made from; layers are counted where they are fetched. */
function meteredBlobs(
  { meter }: SharedCacheSession,
  openBlob: MountSource['openBlob'],
): MountSource['openBlob'] {
  return async (blob) => meter('cache import', blob.digest, blob.size, () => openBlob(blob))();
}

async function openOne(
  session: SharedCacheSession,
  source: CacheSource,
): Promise<OpenCache | undefined> {
  let failed = false;
  let hasLost = false;
  const reportFailure = (error: ImageError) => {
    const isExpected = source.oneOf && error.status === NOT_FOUND;
    if (source.required && !isExpected) throw error;
    if (!failed && !isExpected)
      session.warn(`the cache ${source.title} is not used: ${withHint(error)}`);
    failed = true;
  };
  const isUsable = () => !failed;
  /** A cache that has lost one layer has others. */
  const originOf = (layer: ResolvedLayer): LayerOrigin => {
    let isLost = false;
    let isDamaged = false;
    return {
      layer,
      registry: source.registry,
      isUsable: () => !failed && !isLost,
      isDamaged: () => isDamaged,
      reportFailure: (error) => {
        isDamaged ||= error instanceof BlobDamagedError;
        if (source.required || !isBlobLost(error)) return reportFailure(error);
        // A place that removes what is old has mostly lost many.
        if (!hasLost && !failed)
          session.warn(
            `the cache ${source.title} does not deliver all layers: steps that made them run again; the first: ${error.message}`,
          );
        hasLost = true;
        isLost = true;
      },
    };
  };
  try {
    const { list, layers, openBlob } = await source.read();
    const byContent = new Map<ContentKey, ListedEntry>();
    for (const entry of list.entries)
      if (entry.contentKey !== undefined) byContent.set(entry.contentKey, entry);
    const { title, mounts, required } = source;
    return {
      list,
      mounts: { title, list, openBlob: meteredBlobs(session, openBlob), mounts, required },
      byKey: new Map(list.entries.map((entry) => [entry.key, entry])),
      byContent,
      operations: new Set(list.entries.map(({ operation }) => operation)),
      makers: makers(list.entries),
      isUsable,
      origins: layers.map(originOf),
    };
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    reportFailure(error);
    return undefined;
  }
}

/**
 * What this store calls a layer of a list; undefined when it is neither here nor to be had.
 * @param key of the step that made it, where the list says so
 */
function knownLayer(
  { store, origins }: SharedCacheSession,
  listed: ListedLayer | undefined,
  key?: DefinitionKey,
): LayerId | undefined {
  if (!listed) return undefined;
  const { diffId, layerDigest: digest } = listed;
  const here = layerByDiffId(store, diffId);
  const isHere = here !== undefined && hasLayer(store, here);
  if (!isHere && !usableOrigin(origins, diffId)) return undefined;
  return layerOfDiffId(store, diffId, { digest, key });
}

/** The entry with the names that this store has for layers; undefined when its layer is gone. */
function toRecord(
  session: SharedCacheSession,
  { list }: OpenCache,
  entry: ListedEntry,
  keyed: KeyedInputs,
  base: readonly LayerId[],
  readLayers: readonly (readonly LayerId[])[],
): StepRecord | undefined {
  const listed = entry.layer === undefined ? undefined : list.layers[entry.layer];
  const layer = knownLayer(session, listed, keyed.key);
  if (listed && !layer) return undefined;
  return {
    key: keyed.key,
    contentKey: entry.contentKey,
    operation: keyed.operation,
    inputs: { ...keyed.inputs, files: entry.inputs.files },
    base,
    readLayers,
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
    // In the order of the command line, not in the order of the answers.
    for (const { origins } of usable)
      for (const origin of origins) addOrigin(session.origins, origin);
    return usable;
  };
  let opened: Promise<OpenCache[]> | undefined;
  const caches = async (): Promise<OpenCache[]> => {
    opened ??= abortable(session.signal, openAll);
    return (await opened).filter((cache) => cache.isUsable());
  };
  const { store } = session;

  /** The layers at places of a list, as this store calls them; undefined where one can't be had. */
  const layersAt = (cache: OpenCache, places: readonly number[]): LayerId[] | undefined => {
    const ids = places.map((place) =>
      knownLayer(session, cache.list.layers[place], cache.makers.get(place)?.key),
    );
    const known = ids.filter((id) => id !== undefined);
    return known.length === ids.length ? known : undefined;
  };

  const madeOn = (cache: OpenCache, places: readonly number[], layers: readonly LayerId[]) =>
    places.length === layers.length &&
    layers.every((id, at) => {
      const listed = cache.list.layers[places[at] ?? -1];
      return listed !== undefined && listed.diffId === getDiffId(store, id);
    });

  /** What the entry was made on, if that is what the parents are, as far as they are known. */
  const madeFrom = (cache: OpenCache, entry: ListedEntry, parents: readonly KnownParent[]) => {
    const [below, ...beside] = parents;
    const { base: places, reads: readPlaces } = entry.parents ?? {};
    if (!places || !below) return undefined;
    if (below.layers && !madeOn(cache, places, below.layers)) return undefined;
    const base = below.layers ?? layersAt(cache, places);
    // The list need not know the layers of files that were read: they are not needed either.
    const known = readPlaces?.length === beside.length ? readPlaces : undefined;
    const differs = beside.some(
      ({ layers }, at) => layers && known && !madeOn(cache, known[at] ?? [], layers),
    );
    if (!base || differs) return undefined;
    return { base, reads: beside.map(({ layers }) => layers ?? []) };
  };

  return {
    definition: async (keyed, parents) => {
      for (const cache of await caches()) {
        const entry = cache.byKey.get(keyed.key);
        const made = entry && madeFrom(cache, entry, parents);
        const record = made && toRecord(session, cache, entry, keyed, made.base, made.reads);
        if (record) return record;
      }
      return undefined;
    },
    hasOperation: async (operation) =>
      (await caches()).some(({ operations }) => operations.has(operation)),
    content: async (key, keyed, base, reads) => {
      for (const cache of await caches()) {
        const entry = cache.byContent.get(key);
        const layers = reads.map((state) => state.layers);
        const record = entry && toRecord(session, cache, entry, keyed, base.layers, layers);
        if (record) return record;
      }
      return undefined;
    },
    restoreMount: async (name, directory, signal) => {
      const sources = (await caches()).map(({ mounts }) => mounts);
      const { restoreMount } = await import('./mounts/restore-mount.js');
      return restoreMount({ ...session, signal }, sources, name, directory);
    },
  };
}
