/** In which order things go: the value of keeping them. */
import { createHeap } from './heap.js';
import type { PruneInput, PruneItem } from './prune-input.js';
import { topFirst } from './prune-input.js';
import type { Unit } from './prune-units.js';
import { createUnits } from './prune-units.js';

/** Nothing is used so recently, or so small, that a difference below these says anything. */
const MIN_AGE_MS = 60_000;
const MIN_BYTES = 4096;

/**
 * What no result needs is missed only when a step that copies from it runs again: once in so many
 * builds, as a rule.
 */
const ASIDE = 10;

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

/**
 * Gives units, the least valuable first, as long as it is asked.
 * @param need how many bytes are to be freed yet; it never grows
 */
export function* leastValuable(
  input: PruneInput,
  need: () => number,
): Generator<readonly PruneItem[]> {
  const units = createUnits(input);
  const queue = createHeap<{ readonly unit: Unit; readonly version: number }>();
  // What a unit frees beyond the need is worth nothing: else a base with everything on it would
  // often go first, for being cheap on the whole.
  const currentValue = ({ rebuildMs, bytes, lastUsed, aside }: Unit) =>
    keepingValue(rebuildMs, Math.min(bytes, need()), input.now - lastUsed) / (aside ? ASIDE : 1);
  const enqueue = (unit: Unit) => {
    if (!unit.blocked && unit.items.length > 0)
      queue.push(currentValue(unit), { unit, version: unit.version });
  };
  units.all.forEach(enqueue);
  for (let next = queue.pop(); next; next = queue.pop()) {
    const { unit, version } = next.value;
    if (unit.version !== version) continue;
    // Values only grow while the need shrinks: it is enough to look again at the smallest one.
    if (currentValue(unit) > next.priority) {
      enqueue(unit);
      continue;
    }
    const { items, changed } = units.take(unit);
    for (const other of changed) if (other !== unit) enqueue(other);
    if (items.length > 0) yield topFirst(items);
  }
}
