/** What the index says of everything that can be removed. */
import type { SharedUsage } from '../../fs/layer/disk-usage.js';
import { measureShared } from '../../fs/layer/disk-usage.js';
import type { EntryFilter } from '../entries/cache-queries.js';
import { fits, summarize } from '../entries/cache-queries.js';
import { readUses } from '../entries/use-notes.js';
import type { CacheIndex } from '../index/index-db.js';
import { getTables } from '../index/tables.js';
import { layerPath } from '../layers/layer-store.js';
import type { LiveUses } from '../pins/uses.js';
import type { ImageRecord, LayerId, LayerRecord, StepRecord } from '../records.js';
import { getBlobs } from '../records.js';
import type { Store } from '../store.js';
import type { PruneInput, PruneItem } from './prune-input.js';
import { stageLayers } from './stage-layers.js';

/** Pulling again takes about this long: 10 MB/s, a usual line to a registry. */
const PULLED_BYTES_PER_MS = 10_000;
/** Compressing a layer again: 100 MB/s, gzip on one core. */
const COMPRESSED_BYTES_PER_MS = 100_000;

/** Disk usage of the layers that may share files; of others the index knows it. */
export interface Measured extends SharedUsage<LayerId> {
  /** When the measurement began. What was made since is not in it. */
  readonly at: number;
}

/**
 * Measures the layers that may share files with another one that is still there. A layer's record
 * says what it took when it was published, and layers never change; but when a layer goes, what it
 * shares goes on being used by the others, and only the inodes say by whom. So the walk is over
 * those layers alone, for du and prune: COPY layers that were made from each other.
 */
export function measureLinked(store: Store): Measured {
  const { paths } = store;
  const index = getTables(store);
  const at = Date.now();
  const groups = new Map<LayerId, LayerId[]>();
  for (const { value } of index.layers.getRange()) {
    const group = value.links?.group ?? value.id;
    groups.set(group, [...(groups.get(group) ?? []), value.id]);
  }
  const linked = [...groups.values()].filter((ids) => ids.length > 1).flat();
  return { at, ...measureShared(new Map(linked.map((id) => [id, layerPath(paths, id)]))) };
}

/** Everything the index has, read once. */
interface Records {
  readonly steps: readonly StepRecord[];
  readonly layers: ReadonlyMap<LayerId, LayerRecord>;
  readonly images: readonly ImageRecord[];
  /** Ids of images with a name. */
  readonly named: ReadonlySet<string>;
}

function readRecords(index: CacheIndex): Records {
  return {
    steps: [...index.steps.getRange()].map(({ value }) => value),
    layers: new Map([...index.layers.getRange()].map(({ key, value }) => [key, value])),
    images: [...index.images.getRange()].map(({ value }) => value),
    named: new Set([...index.names.getRange()].map(({ value }) => value)),
  };
}

function namedLayers({ images, named }: Records): Set<LayerId> {
  return new Set(images.filter(({ id }) => named.has(id)).flatMap(({ layers }) => layers));
}

/** Layers that processes use, or may be about to use. */
function usedLayers({ layers }: Records, uses: LiveUses, since: number): Set<LayerId> {
  const used = new Set(uses.layers);
  for (const { id, created } of layers.values()) {
    if (uses.everythingBy !== undefined || created >= since) used.add(id);
  }
  return used;
}

type IsRemovable = (times: { created: number; lastUsed: number; bytes: number }) => boolean;

/** A layer that was pulled; in use as long as entries on it are. */
function pulledItem(layer: LayerRecord, lastUsed: number, isRemovable: IsRemovable): PruneItem {
  const { id, created, disk, blob } = layer;
  return {
    kind: 'pulled',
    id,
    text: '',
    layer: id,
    base: [],
    bytes: 0,
    rebuildMs: (blob?.size ?? disk) / PULLED_BYTES_PER_MS,
    lastUsed,
    removable: isRemovable({ created, lastUsed, bytes: disk }),
  };
}

/** An image without a name: it takes no room, and goes with the first layer of it that goes. */
function imageItem(image: ImageRecord, isRemovable: IsRemovable): PruneItem {
  const { id, layers, created } = image;
  return {
    kind: 'image',
    id,
    text: '',
    layer: undefined,
    base: layers,
    bytes: 0,
    rebuildMs: 0,
    lastUsed: created,
    removable: isRemovable({ created, lastUsed: created, bytes: 0 }),
  };
}

/**
 * Blobs that can be made again. Compressing a layer of this machine again gives the same digest;
 * a pulled one might get another, so that it belongs to its layer as long as an image needs that.
 */
function blobItems(
  records: Records,
  makers: ReadonlyMap<LayerId, PruneItem>,
  used: ReadonlySet<LayerId>,
  named: ReadonlySet<LayerId>,
): PruneItem[] {
  const counted = new Set<string>();
  return [...records.layers.values()].flatMap((layer): PruneItem[] => {
    const { id, bytes: uncompressed } = layer;
    const maker = makers.get(id);
    const pulled = layer.key === undefined;
    if (!maker || (pulled && named.has(id))) return [];
    const { text, lastUsed, base } = maker;
    // A process that uses a layer may be sending it.
    const removable = maker.removable && !used.has(id);
    return getBlobs(layer).map(({ digest, size }): PruneItem => {
      const rebuildMs = pulled
        ? size / PULLED_BYTES_PER_MS
        : uncompressed / COMPRESSED_BYTES_PER_MS;
      // Two layers of the same content have one file.
      const bytes = counted.has(digest) ? 0 : size;
      counted.add(digest);
      const common = { layer: id, base, bytes, rebuildMs, lastUsed, removable };
      return { kind: 'blob', id: digest, text, ...common };
    });
  });
}

/**
 * Reads what a plan is made from.
 * @param filter what does not fit it is not removable
 * @param now the time that ages are counted from
 */
export function readPruneInput(
  index: CacheIndex,
  measured: Measured,
  uses: LiveUses,
  filter: EntryFilter,
  now: number,
): PruneInput {
  const records = readRecords(index);
  const named = namedLayers(records);
  const used = usedLayers(records, uses, measured.at);
  const kept = new Set([...named, ...used]);
  const isRemovable: IsRemovable = (times) => fits({ text: '', ...times }, filter, now);
  const usageOf = readUses(index);
  const makers = new Map<LayerId, PruneItem>();
  const lastUsedAbove = new Map<LayerId, number>();
  const items = records.steps.map((record): PruneItem => {
    const entry = summarize(index, record, usageOf(record.key));
    const { key: id, layer, base, durationMs: rebuildMs } = record;
    const { text, lastUsed } = entry;
    for (const below of base)
      lastUsedAbove.set(below, Math.max(lastUsedAbove.get(below) ?? 0, lastUsed));
    const removable = fits(entry, filter, now);
    const common = { layer, base, bytes: 0, rebuildMs, lastUsed, removable };
    const item: PruneItem = { kind: 'entry', id, text, ...common };
    if (layer !== undefined) makers.set(layer, item);
    return item;
  });
  for (const layer of records.layers.values()) {
    if (layer.key !== undefined) continue;
    const lastUsed = Math.max(layer.created, lastUsedAbove.get(layer.id) ?? 0);
    const item = pulledItem(layer, lastUsed, isRemovable);
    makers.set(layer.id, item);
    items.push(item);
  }
  for (const image of records.images)
    if (!records.named.has(image.id)) items.push(imageItem(image, isRemovable));
  items.push(...blobItems(records, makers, used, named));
  const own = new Map(
    [...records.layers].map(([id, { disk }]) => [id, measured.own.get(id) ?? disk]),
  );
  const images = records.images.flatMap(({ layers }) => layers);
  const aside = stageLayers(records.steps, images);
  return { items, own, shares: measured.shares, kept, named, aside, now };
}
