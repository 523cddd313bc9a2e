/** In which order things go: the value of keeping them, and what can only go together. */

import type { LayerId } from '../records.js';
import { createHeap } from './heap.js';
import type { PruneInput, PruneItem } from './prune-input.js';
import { groupByLayer, layersOf, topFirst } from './prune-input.js';

/** Nothing is used so recently, or so small, that a difference below these says anything. */
const MIN_AGE_MS = 60_000;
const MIN_BYTES = 4096;

/** Every step takes some time: of two units that free as much the one of fewer steps goes. */
const STEP_MS = 1;

/**
 * What keeping something is worth: time saved for each byte it takes and each unit of time it
 * waits. `rebuildMs / bytes` is the price of having it again for the room it takes, as in
 * GreedyDual-Size; dividing by the age weighs it with how likely it is that somebody asks for it
 * soon. How often things are asked for again is spread over many orders of magnitude (some with
 * every build, some never), and for such a mixture the rate at which a thing that has not been
 * asked for in time t is asked for next is proportional to 1/t. That needs no unit and no
 * parameter: what was unused for twice as long must save twice as much to stay.
 * @param age ms since the last use
 */
export function keepingValue(rebuildMs: number, bytes: number, age: number): number {
  return rebuildMs / Math.max(bytes, MIN_BYTES) / Math.max(age, MIN_AGE_MS);
}

/** A layer with everything that stands on it, or a blob: what can only go together. */
interface Unit {
  readonly items: PruneItem[];
  /** Sums over the items that are left. */
  bytes: number;
  rebuildMs: number;
  lastUsed: number;
  blocked: boolean;
  /** Counts changes: older entries of the heap are void. */
  version: number;
}

function newUnit(): Unit {
  return { items: [], bytes: 0, rebuildMs: 0, lastUsed: 0, blocked: false, version: 0 };
}

/** The units of the cache, and those that each item is part of. */
function unitsOf(input: PruneInput): { units: Unit[]; unitsWith: Map<PruneItem, Unit[]> } {
  const byLayer = new Map<LayerId, Unit>();
  for (const id of input.own.keys()) if (!input.kept.has(id)) byLayer.set(id, newUnit());
  const unitsWith = new Map<PruneItem, Unit[]>();
  const units = [...byLayer.values()];
  for (const item of input.items) {
    const found = layersOf(item).flatMap((id) => byLayer.get(id) ?? []);
    if (item.kind === 'blob') {
      const alone = newUnit();
      units.push(alone);
      found.push(alone);
    }
    unitsWith.set(item, found);
    for (const unit of found) unit.items.push(item);
  }
  return { units, unitsWith };
}

/** What items add to the units they are part of, as far as others have gone. */
interface Weights {
  /** Entries of one layer divide it among them. */
  readonly of: (item: PruneItem) => { readonly bytes: number; readonly rebuildMs: number };
  /** Takes an item away. @returns items that got heavier, with the bytes they got */
  readonly remove: (item: PruneItem) => readonly (readonly [PruneItem, number])[];
}

/**
 * Shared files are divided evenly among the layers that have them: the last one to go frees all of
 * them, and nobody knows which that will be. When one goes the others get its part.
 */
function createWeights({ items, own, shares, kept }: PruneInput): Weights {
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
  const sharesOf = groupByLayer(freeable, ({ holders }) => [...holders]);
  const passOn = (id: LayerId): (readonly [PruneItem, number])[] =>
    (sharesOf.get(id) ?? []).flatMap((share) => {
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

/**
 * Gives units, the least valuable first, as long as it is asked.
 * @param need how many bytes are to be freed yet; it never grows
 */
export function* leastValuable(
  input: PruneInput,
  need: () => number,
): Generator<readonly PruneItem[]> {
  const { units, unitsWith } = unitsOf(input);
  const weights = createWeights(input);
  const queue = createHeap<{ readonly unit: Unit; readonly version: number }>();
  // What a unit frees beyond the need is worth nothing: else a base with everything on it would
  // often go first, for being cheap on the whole.
  const currentValue = ({ rebuildMs, bytes, lastUsed }: Unit) =>
    keepingValue(rebuildMs, Math.min(bytes, need()), input.now - lastUsed);
  const enqueue = (unit: Unit) => queue.push(currentValue(unit), { unit, version: unit.version });
  for (const unit of units) {
    for (const item of unit.items) {
      const { bytes, rebuildMs } = weights.of(item);
      unit.bytes += bytes;
      unit.rebuildMs += rebuildMs;
      unit.lastUsed = Math.max(unit.lastUsed, item.lastUsed);
      unit.blocked ||= !item.removable;
    }
    if (!unit.blocked && unit.items.length > 0) enqueue(unit);
  }
  const gone = new Set<PruneItem>();
  for (let next = queue.pop(); next; next = queue.pop()) {
    const { unit, version } = next.value;
    if (unit.version !== version) continue;
    // Values only grow while the need shrinks: it is enough to look again at the smallest one.
    if (currentValue(unit) > next.priority) {
      enqueue(unit);
      continue;
    }
    const items = unit.items.filter((item) => !gone.has(item));
    if (items.length === 0) continue;
    const changed = new Set<Unit>();
    const change = (item: PruneItem, bytes: number, rebuildMs: number) => {
      for (const other of unitsWith.get(item) ?? []) {
        other.bytes += bytes;
        other.rebuildMs += rebuildMs;
        changed.add(other);
      }
    };
    for (const item of items) {
      gone.add(item);
      const { bytes, rebuildMs } = weights.of(item);
      change(item, -bytes, -rebuildMs);
      for (const [heavier, more] of weights.remove(item))
        if (!gone.has(heavier)) change(heavier, more, 0);
    }
    for (const other of changed) {
      other.version += 1;
      if (other !== unit && !other.blocked) enqueue(other);
    }
    yield topFirst(items);
  }
}
