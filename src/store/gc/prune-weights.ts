/** What single items of the cache free, and how long it takes to have them again. */
import type { LayerId } from '../records.js';
import type { PruneInput, PruneItem } from './prune-input.js';
import { groupByLayer } from './prune-input.js';

/** Every step takes some time: of two units that free as much the one of fewer steps goes. */
const STEP_MS = 1;

/** What items add to the units they are part of, as far as others have gone. */
export interface Weights {
  /** Entries of one layer divide it among them. */
  readonly of: (item: PruneItem) => { readonly bytes: number; readonly rebuildMs: number };
  /** Takes an item away. @returns items that got heavier, with the bytes they got */
  readonly remove: (item: PruneItem) => readonly (readonly [PruneItem, number])[];
}

/**
 * Shared files are divided evenly among the layers that have them: the last one to go frees all of
 * them, and which that will be is not known yet. When one goes the others get its part.
 */
export function createWeights({ items, own, shares, kept }: PruneInput): Weights {
  const makers = groupByLayer(
    items.filter(({ kind }) => kind !== 'blob'),
    ({ layer }) => (layer === undefined ? [] : [layer]),
  );
  const left = new Map([...makers].map(([id, { length }]) => [id, length]));
  const bytes = new Map(own);
  const add = (id: LayerId, by: number) => bytes.set(id, (bytes.get(id) ?? 0) + by);
  const freeable = shares
    .filter(({ elsewhere, holders }) => !elsewhere && !holders.some((id) => kept.has(id)))
    .map((share) => ({ bytes: share.bytes, holders: new Set(share.holders) }));
  for (const share of freeable)
    for (const id of share.holders) add(id, share.bytes / share.holders.size);
  const getShares = groupByLayer(freeable, ({ holders }) => [...holders]);
  const passOn = (id: LayerId): (readonly [PruneItem, number])[] =>
    (getShares.get(id) ?? []).flatMap((share) => {
      const before = share.bytes / share.holders.size;
      share.holders.delete(id);
      const more = share.bytes / share.holders.size - before;
      return [...share.holders].flatMap((holder) => {
        add(holder, more);
        const items = makers.get(holder) ?? [];
        return items.map((item) => [item, more / items.length] as const);
      });
    });
  return {
    of: (item) => {
      const { kind, layer } = item;
      const rebuildMs = item.rebuildMs + STEP_MS;
      if (layer === undefined || kind === 'blob') return { bytes: item.bytes, rebuildMs };
      const number = makers.get(layer)?.length ?? 1;
      const freed = kept.has(layer) ? 0 : (bytes.get(layer) ?? 0);
      return { bytes: item.bytes + freed / number, rebuildMs: rebuildMs / number };
    },
    remove: ({ kind, layer }) => {
      if (layer === undefined || kind === 'blob') return [];
      const number = (left.get(layer) ?? 0) - 1;
      left.set(layer, number);
      return number === 0 ? passOn(layer) : [];
    },
  };
}
