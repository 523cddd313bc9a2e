/** `wiac cache export` and `import`: all entries of a store, without a build. */

import { createHash64 } from '../../fs/scan/hash64.js';
import type { DefinitionKey } from '../../keys/digest.js';
import { contentKey } from '../../keys/inputs.js';
import type { ResolvedLayer } from '../../oci/resolved-image.js';
import { makers } from '../../shared-cache/entry-list.js';
import type { ReadCache } from '../../shared-cache/read-cache.js';
import { allEntries } from '../../store/entries/cache-queries.js';
import { findByDefinition, publishEntries } from '../../store/entries/entries.js';
import { indexScanStore } from '../../store/entries/scan-store.js';
import { hasLayer } from '../../store/layers/find-layers.js';
import { stackTree } from '../../store/layers/layer-stack.js';
import { lazyScratch } from '../../store/layers/layer-store.js';
import { isKnownLayer, layersOfDiffIds } from '../../store/layers/remote-layers.js';
import { retryWhenPruned, useLayers } from '../../store/pins/uses.js';
import type { LayerId, StepRecord } from '../../store/records.js';
import type { Store } from '../../store/store.js';
import type { Json } from '../../util/canonical-json.js';
import { layerDigests } from '../build-session.js';
import type { FetchSession } from '../images/fetch-layer.js';
import { fetchLayers } from '../images/fetch-layer.js';
import { MissingLayersError } from '../images/needed-layers.js';
import type { CacheTarget, ExportSession, OutgoingCache } from './export-cache.js';
import { gatherCache } from './export-cache.js';

function hasBind({ operands }: StepRecord['inputs']): boolean {
  const mounts = operands.mounts as readonly { readonly type?: Json }[] | undefined;
  return mounts?.some(({ type }) => type === 'bind') ?? false;
}

/** Without its plan a RUN with bind mounts does not say which mount shows which step. */
async function withContentKey(session: ExportSession, record: StepRecord): Promise<StepRecord> {
  const { inputs, operation, base } = record;
  if (inputs.kind !== 'run' || record.contentKey !== undefined || hasBind(inputs)) return record;
  try {
    const layers = await layerDigests(session, base);
    return { ...record, contentKey: contentKey(operation, [], { layers, mounts: [] }) };
  } catch (error) {
    if (error instanceof MissingLayersError) return record;
    throw error;
  }
}

/** Everything that the store has, entries in the order of their keys. Its layers are in use from then on. */
async function gatherStore(
  session: ExportSession,
  compression: 'gzip' | 'zstd',
): Promise<OutgoingCache> {
  const { store } = session;
  const entries = [...allEntries(store)].filter(
    ({ layer }) => layer === undefined || isKnownLayer(store, layer),
  );
  // The look-up has declared no use of them; they are read now, and their blobs when the archive is written.
  const read = entries.flatMap(({ layer, base }) => [
    ...(layer === undefined ? [] : [layer]),
    ...base,
  ]);
  useLayers(
    store,
    [...new Set(read)].filter((id) => hasLayer(store, id)),
  );
  const records: StepRecord[] = [];
  for (const entry of entries) records.push(await withContentKey(session, entry));
  return gatherCache(session, records, compression);
}

/** How much was given away, or added. */
export interface Transferred {
  readonly entries: number;
  readonly layers: number;
}

/**
 * Writes all entries of a store with their layers.
 * @throws ImageError, NoSpaceError
 */
export async function exportStore(
  store: Store,
  { compression, write }: Pick<CacheTarget, 'compression' | 'write'>,
  signal: AbortSignal,
): Promise<Transferred> {
  const scanStore = indexScanStore(store, await createHash64());
  const scratch = lazyScratch(store.paths);
  const session = {
    ...{ store, scanStore, signal, scratch: scratch.path },
    ...{ origins: new Map(), stacks: stackTree() },
  };
  try {
    return await retryWhenPruned(store, async () => {
      const cache = await gatherStore(session, compression);
      await write(cache, store);
      return { entries: cache.list.entries.length, layers: cache.layers.length };
    });
  } finally {
    scratch.remove();
  }
}

/** Layers that are unpacked at a time; what they wait for is mostly the disk, once for all of them. */
const AT_ONCE = 16;

/** Entries that are written at once: a transaction waits for the disk, and keeps other processes waiting. */
const BATCH = 256;

/** The entries that the store lacks and can have, with the names that it has for layers. */
function* newRecords(
  store: Store,
  { entries }: ReadCache['list'],
  ids: readonly LayerId[],
): Generator<StepRecord> {
  const named = (at: readonly number[]) => at.flatMap((place) => ids[place] ?? []);
  const seen = new Set<DefinitionKey>();
  for (const entry of entries) {
    const { parents, layer, key, operation, inputs, created, durationMs } = entry;
    const id = layer === undefined ? undefined : ids[layer];
    const isHere = id === undefined || hasLayer(store, id);
    // Without its parents an entry is found by content only, which needs a build to look for it.
    if (!parents || !isHere || seen.has(key) || findByDefinition(store, key)) continue;
    seen.add(key);
    yield {
      key,
      contentKey: entry.contentKey,
      operation,
      inputs,
      base: named(parents.base),
      readLayers: parents.reads.map(named),
      reads: entry.reads,
      layer: id,
      created,
      durationMs,
      imported: true,
    };
  }
}

async function addEntries(
  session: FetchSession,
  { list, layers }: ReadCache,
): Promise<Transferred> {
  const { store } = session;
  const madeBy = makers(list.entries);
  const wanted = list.layers.map(({ diffId, layerDigest: digest }, place) => {
    return { diffId, facts: { digest, key: madeBy.get(place)?.key } };
  });
  const ids = layersOfDiffIds(store, wanted);
  const places = new Map(list.layers.map(({ diffId }, place) => [diffId as string, place]));
  // Two places of the list may have equal layers: they are one here.
  const missing = new Map<LayerId, ResolvedLayer>();
  for (const layer of layers) {
    const place = places.get(layer.diffId);
    const id = place === undefined || !madeBy.has(place) ? undefined : ids[place];
    if (id !== undefined && !hasLayer(store, id)) missing.set(id, layer);
  }
  const fetches = [...missing].map(([id, layer]) => ({ id, layer }));
  await fetchLayers(session, fetches, AT_ONCE);
  const records = [...newRecords(store, list, ids)];
  for (let at = 0; at < records.length; at += BATCH) {
    const batch = records.slice(at, at + BATCH).map((step) => ({ step, layer: undefined }));
    publishEntries(store, batch);
  }
  return { entries: records.length, layers: missing.size };
}

/**
 * Adds entries to the store, and unpacks their layers: where they come from may be gone tomorrow.
 * Entries that the store has stay as they are.
 * @throws ImageError, NoSpaceError
 */
export function importCache(session: FetchSession, cache: ReadCache): Promise<Transferred> {
  return retryWhenPruned(session.store, () => addEntries(session, cache));
}
