/** What a prune is planned from. */
import type { Share } from '../../fs/layer/disk-usage.js';
import type { LayerId } from '../records.js';

/** Something that can be removed. Times in ms since the epoch. */
export interface PruneItem {
  readonly kind: 'entry' | 'image' | 'pulled' | 'blob';
  /** Definition key, image id, layer id, or digest of the blob. */
  readonly id: string;
  /** What a person knows it by: the instruction of an entry. */
  readonly text: string;
  /** The layer that it stands for; several entries can stand for one layer. */
  readonly layer: LayerId | undefined;
  /** Layers it is worth nothing without. */
  readonly base: readonly LayerId[];
  /** Bytes that go with the item itself: a blob's size. */
  readonly bytes: number;
  /** How long it takes to have it again. ms */
  readonly rebuildMs: number;
  readonly lastUsed: number;
  /** False: the user wants to keep it (--keep-days, a filter). */
  readonly removable: boolean;
}

/** What the cache holds. */
export interface PruneInput {
  readonly items: readonly PruneItem[];
  /** All layers, with the bytes that no other layer has. */
  readonly own: ReadonlyMap<LayerId, number>;
  /** Files that layers hard-link. */
  readonly shares: readonly Share<LayerId>[];
  /** Layers of named images and running processes: they stay. */
  readonly kept: ReadonlySet<LayerId>;
  /** Those of named images: they do not count as cache. */
  readonly named: ReadonlySet<LayerId>;
  /** Layers that no result needs: see stage-layers.ts. */
  readonly aside: ReadonlySet<LayerId>;
  readonly now: number;
}

/** Everything that has to do with one layer, as a multimap. */
export function groupByLayer<T>(
  values: Iterable<T>,
  getLayers: (value: T) => readonly LayerId[],
): Map<LayerId, T[]> {
  const groups = new Map<LayerId, T[]>();
  for (const value of values) {
    for (const id of getLayers(value)) {
      const group = groups.get(id);
      if (group) group.push(value);
      else groups.set(id, [value]);
    }
  }
  return groups;
}

/** All layers of an item. */
export function getLayers({ layer, base }: PruneItem): readonly LayerId[] {
  return layer === undefined ? base : [...base, layer];
}

/** What stands on top first: then each item's bytes are those of its own layer. */
export function topFirst(items: readonly PruneItem[]): PruneItem[] {
  return [...items].sort((a, b) => b.base.length - a.base.length);
}
