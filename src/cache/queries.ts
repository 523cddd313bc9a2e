/** Questions people ask of the cache, and removal of entries. */
import { rmSync } from 'node:fs';
import { checkpoint } from '../checkpoint.js';
import { NotFoundError } from '../errors.js';
import type { DefinitionKey } from '../keys/digest.js';
import { dropEntry, dropLayers } from './drop.js';
import type { CacheIndex } from './index-db.js';
import { announceRemoval, removeLayer } from './layer-store.js';
import { blobPath } from './paths.js';
import { isAlive } from './process-identity.js';
import type { LayerId, StepRecord } from './records.js';
import type { Store } from './store.js';
import { newestEntries } from './timeline.js';

/** An entry as it is listed. Times in ms since the epoch. */
export interface EntrySummary {
  readonly key: DefinitionKey;
  readonly kind: string;
  readonly text: string;
  readonly created: number;
  readonly lastUsed: number;
  readonly hits: number;
  readonly durationMs: number;
  readonly layer: LayerId | null;
  /** Bytes of the layer's own files. */
  readonly bytes: number;
  readonly files: number;
}

/** Conditions that all have to hold; ages in ms, sizes in bytes. */
export interface EntryFilter {
  readonly text?: string | undefined;
  readonly olderThan?: number | undefined;
  readonly newerThan?: number | undefined;
  readonly unusedFor?: number | undefined;
  readonly largerThan?: number | undefined;
  readonly smallerThan?: number | undefined;
}

function summarize(index: CacheIndex, record: StepRecord): EntrySummary {
  const usage = index.usage.get(record.key);
  const layer = record.layer === undefined ? undefined : index.layers.get(record.layer);
  return {
    key: record.key,
    kind: record.inputs.kind,
    text: record.inputs.text,
    created: record.created,
    lastUsed: usage?.lastUsed ?? record.created,
    hits: usage?.hits ?? 0,
    durationMs: record.durationMs,
    layer: record.layer ?? null,
    bytes: layer?.bytes ?? 0,
    files: layer?.files ?? 0,
  };
}

function fits(entry: EntrySummary, filter: EntryFilter, now: number): boolean {
  const { text, olderThan, newerThan, unusedFor, largerThan, smallerThan } = filter;
  if (text !== undefined && !entry.text.toLowerCase().includes(text.toLowerCase())) return false;
  if (olderThan !== undefined && now - entry.created <= olderThan) return false;
  if (newerThan !== undefined && now - entry.created > newerThan) return false;
  if (unusedFor !== undefined && now - entry.lastUsed <= unusedFor) return false;
  if (largerThan !== undefined && entry.bytes <= largerThan) return false;
  return smallerThan === undefined || entry.bytes < smallerThan;
}

/** Entries that fit, newest first. */
export function* listEntries(
  index: CacheIndex,
  filter: EntryFilter,
  now: number,
): Generator<EntrySummary> {
  for (const record of newestEntries(index)) {
    const entry = summarize(index, record);
    if (fits(entry, filter, now)) yield entry;
  }
}

/**
 * The entry whose key is or begins with the given digits.
 * @throws NotFoundError when there is none or more than one
 */
export function findEntry(index: CacheIndex, prefix: string): StepRecord {
  const matches: StepRecord[] = [];
  for (const { key, value } of index.steps.getRange({ start: prefix as DefinitionKey })) {
    if (!key.startsWith(prefix) || matches.length > 1) break;
    matches.push(value);
  }
  const [only, second] = matches;
  if (only && !second) return only;
  throw new NotFoundError(
    only ? `several keys begin with ${prefix}` : `no entry has a key that begins with ${prefix}`,
    { hint: only ? 'give more digits' : 'wiac cache ls lists the keys' },
  );
}

/** What takes how much space. Bytes. */
export interface UsageSummary {
  readonly entries: number;
  readonly layers: number;
  readonly images: number;
  /** Sum over all layers. */
  readonly bytes: number;
  /** Layers that neither a named image nor a running build needs. */
  readonly reclaimableBytes: number;
}

/** Layers that images need: those may not go. */
function imageLayers(index: CacheIndex): Set<LayerId> {
  const layers = new Set<LayerId>();
  for (const { value } of index.images.getRange()) for (const id of value.layers) layers.add(id);
  return layers;
}

/** Sums up what the cache holds. */
export function summarizeUsage(index: CacheIndex): UsageSummary {
  const needed = imageLayers(index);
  let layers = 0;
  let bytes = 0;
  let reclaimableBytes = 0;
  for (const { value } of index.layers.getRange()) {
    // What another program keeps takes no space of ours.
    if (value.external !== undefined) continue;
    layers += 1;
    bytes += value.bytes;
    if (!needed.has(value.id)) reclaimableBytes += value.bytes;
  }
  return {
    entries: index.steps.getCount(),
    layers,
    images: index.images.getCount(),
    bytes,
    reclaimableBytes,
  };
}

function usersOfLayer(index: CacheIndex, id: LayerId): boolean {
  for (const { value } of index.steps.getRange()) {
    if (value.layer === id || value.base.includes(id)) return true;
  }
  return false;
}

/** What a removal did. */
export interface Removal {
  readonly key: DefinitionKey;
  /** The layer went as well. */
  readonly layerRemoved: boolean;
}

/**
 * Removes an entry, and its layer when no other entry, image or running build needs it. A layer
 * that others were built on stays until they are gone, because they are worth nothing without it.
 */
export function removeEntry(store: Store, record: StepRecord): Removal {
  const { index, paths } = store;
  const orphan = index.environment.transactionSync(() => {
    dropEntry(index, record);
    const { layer } = record;
    if (layer === undefined || imageLayers(index).has(layer) || usersOfLayer(index, layer))
      return undefined;
    // A build that runs now may have this layer below a step that is not published yet.
    for (const { value } of index.leases.getRange()) if (isAlive(value)) return undefined;
    announceRemoval(paths, layer);
    return { layer, blobs: dropLayers(index, new Set([layer])).blobs };
  });
  checkpoint('remove:unlisted');
  if (orphan) {
    removeLayer(paths, orphan.layer);
    for (const digest of orphan.blobs) rmSync(blobPath(paths, digest), { force: true });
  }
  return { key: record.key, layerRemoved: orphan !== undefined };
}
