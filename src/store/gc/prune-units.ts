/** What can only go together, and what that frees as more and more of it goes. */
import type { LayerId } from '../records.js';
import type { PruneInput, PruneItem } from './prune-input.js';
import { getLayers } from './prune-input.js';
import { createWeights } from './prune-weights.js';

/** A layer with everything that stands on it, or a blob: what can only go together. */
export interface Unit {
  readonly items: PruneItem[];
  /** Sums over the items that are left. */
  bytes: number;
  rebuildMs: number;
  lastUsed: number;
  blocked: boolean;
  /** Its layer is one that no result needs. */
  readonly aside: boolean;
  /** Counts changes: older entries of the heap are void. */
  version: number;
}

function newUnit(aside = false): Unit {
  return { items: [], bytes: 0, rebuildMs: 0, lastUsed: 0, blocked: false, aside, version: 0 };
}

/** The units of the cache, and those that each item is part of. */
function getUnits(input: PruneInput): { units: Unit[]; unitsWith: Map<PruneItem, Unit[]> } {
  const byLayer = new Map<LayerId, Unit>();
  for (const id of input.own.keys())
    if (!input.kept.has(id)) byLayer.set(id, newUnit(input.aside.has(id)));
  const unitsWith = new Map<PruneItem, Unit[]>();
  const units = [...byLayer.values()];
  for (const item of input.items) {
    const found = getLayers(item).flatMap((id) => byLayer.get(id) ?? []);
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

/** The units of a cache while they are taken apart. */
export interface Units {
  readonly all: readonly Unit[];
  /**
   * Takes what is left of a unit away, from other units as well.
   * @returns the items, and the units that free more or less now
   */
  take(unit: Unit): {
    readonly items: readonly PruneItem[];
    readonly changed: ReadonlySet<Unit>;
  };
}

export function createUnits(input: PruneInput): Units {
  const { units, unitsWith } = getUnits(input);
  const weights = createWeights(input);
  const gone = new Set<PruneItem>();
  /** Adds to all units that an item is part of. */
  const add = (item: PruneItem, bytes: number, rebuildMs: number): readonly Unit[] => {
    const found = unitsWith.get(item) ?? [];
    for (const unit of found) {
      unit.bytes += bytes;
      unit.rebuildMs += rebuildMs;
    }
    return found;
  };
  const remove = (item: PruneItem): Unit[] => {
    gone.add(item);
    const { bytes, rebuildMs } = weights.of(item);
    const lighter = add(item, -bytes, -rebuildMs);
    const heavier = weights.remove(item).filter(([other]) => !gone.has(other));
    return [...lighter, ...heavier.flatMap(([other, more]) => add(other, more, 0))];
  };
  for (const item of input.items) {
    const { bytes, rebuildMs } = weights.of(item);
    for (const unit of add(item, bytes, rebuildMs)) {
      unit.lastUsed = Math.max(unit.lastUsed, item.lastUsed);
      unit.blocked ||= !item.removable;
    }
  }
  return {
    all: units,
    take(unit) {
      const items = unit.items.filter((item) => !gone.has(item));
      const changed = new Set(items.flatMap(remove));
      for (const one of changed) one.version += 1;
      return { items, changed };
    },
  };
}
