/** `wiac cache export` and `import`: all entries of a store, without a build. */

import { contentKey } from '../../keys/inputs.js';
import type { ListedEntry } from '../../shared-cache/entry-list.js';
import type { ReadCache } from '../../shared-cache/read-cache.js';
import { allEntries } from '../../store/entries/cache-queries.js';
import { findByDefinition, publishEntry } from '../../store/entries/entries.js';
import { hasLayer } from '../../store/layers/find-layers.js';
import { isKnownLayer, layerOfDiffId } from '../../store/layers/remote-layers.js';
import type { LayerId, StepRecord } from '../../store/records.js';
import type { Json } from '../../util/canonical-json.js';
import { layerDigests } from '../build-session.js';
import type { FetchSession } from '../images/fetch-layer.js';
import { fetchLayer } from '../images/fetch-layer.js';
import { MissingLayersError } from '../images/needed-layers.js';
import type { ExportSession, OutgoingCache } from './export-cache.js';
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

/** Everything that the store has, entries in the order of their keys. @throws NoSpaceError */
export async function gatherStore(
  session: ExportSession,
  compression: 'gzip' | 'zstd',
): Promise<OutgoingCache> {
  const records: StepRecord[] = [];
  for (const value of allEntries(session.store)) {
    if (value.layer === undefined || isKnownLayer(session.store, value.layer))
      records.push(await withContentKey(session, value));
  }
  return gatherCache(session, records, compression);
}

/** What an import added. */
export interface Imported {
  readonly entries: number;
  readonly layers: number;
}

/** The keys of the steps that made layers, by the layer's place in the list. */
function makers(entries: readonly ListedEntry[]): ReadonlyMap<number, ListedEntry> {
  return new Map(
    entries.flatMap((entry) => (entry.layer === undefined ? [] : [[entry.layer, entry]])),
  );
}

/**
 * Adds entries to the store, and unpacks their layers: where they come from may be gone tomorrow.
 * Entries that the store has stay as they are.
 * @throws ImageError, NoSpaceError
 */
export async function importCache(
  session: FetchSession,
  { list, layers }: ReadCache,
): Promise<Imported> {
  const { store } = session;
  const madeBy = makers(list.entries);
  const ids = list.layers.map(({ diffId, layerDigest }, place): LayerId => {
    const key = madeBy.get(place)?.key;
    return layerOfDiffId(store, diffId, { digest: layerDigest, key });
  });
  const places = new Map(list.layers.map(({ diffId }, place) => [diffId as string, place]));
  let fetched = 0;
  for (const layer of layers) {
    const place = places.get(layer.diffId);
    const id = place === undefined || !madeBy.has(place) ? undefined : ids[place];
    if (id === undefined || hasLayer(store, id)) continue;
    await fetchLayer(session, layer, id);
    fetched += 1;
  }
  const named = (at: readonly number[]) => at.flatMap((place) => ids[place] ?? []);
  let added = 0;
  for (const entry of list.entries) {
    const { parents, layer, key, operation, inputs, created, durationMs } = entry;
    const id = layer === undefined ? undefined : ids[layer];
    const isHere = id === undefined || hasLayer(store, id);
    // Without its parents an entry is found by content only, which needs a build to look for it.
    if (!parents || !isHere || findByDefinition(store, key)) continue;
    publishEntry(
      store,
      {
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
      },
      undefined,
    );
    added += 1;
  }
  return { entries: added, layers: fetched };
}
