/**
 * Which packs of a former snapshot are written anew. A pack never changes, so that what was changed
 * or removed stays in it; and each snapshot adds one. Pure.
 */

/** A pack, and how much of it is still needed. */
export interface PackUse {
  /** Bytes of its contents. */
  readonly bytes: number;
  /** Bytes of those that the new snapshot has. */
  readonly live: number;
}

/** With less than this part alive, writing the rest anew costs less than fetching what is dead. */
const LEAST_ALIVE = 0.5;

/** So many packs of about one size may be there: a snapshot is not to take a request for each change. */
const MOST_ALIKE = 8;

/** Packs of sizes from 4^n to 4^(n+1) are alike. Each content moves up one level when it is rewritten. */
const LEVELS_BASE = 4;
/** Below this all packs are alike: a request costs more than so many bytes. */
const SMALL_BYTES = 64 << 10;

function level(bytes: number): number {
  return Math.ceil(Math.log(Math.max(1, bytes / SMALL_BYTES)) / Math.log(LEVELS_BASE));
}

/**
 * @param packs by their place in the list
 * @param full bytes of a pack that is full: those are merged with no other
 * @returns places of the packs whose live contents go into new ones; packs without any are not among
 *   them, and are simply left out
 */
export function choosePacks(packs: readonly PackUse[], full: number): Set<number> {
  const chosen = new Set<number>();
  const alike = new Map<number, number[]>();
  for (const [place, { bytes, live }] of packs.entries()) {
    if (live === 0) continue;
    if (live < bytes * LEAST_ALIVE) chosen.add(place);
    else if (bytes < full / 2) {
      const same = alike.get(level(bytes)) ?? [];
      alike.set(level(bytes), [...same, place]);
    }
  }
  for (const places of alike.values()) {
    if (places.length > MOST_ALIKE) for (const place of places) chosen.add(place);
  }
  return chosen;
}
