/** Entries whose parents, or the steps below those, were made again since. */
import type { Step } from '../plan/step.js';
import type { LayerId, StepRecord } from '../store/records.js';
import type { KnownParent } from './lookup.js';

function sameLayers(a: readonly LayerId[], b: readonly LayerId[]): boolean {
  return a.length === b.length && a.every((id, index) => id === b[index]);
}

/**
 * What is known of a step's layers. Of a step that the cache does not know it says on what the step
 * would stand: an entry above it that was made on something else is not used.
 */
export interface Ground {
  /** Its lowest layers, bottom first: those of the nearest step below it that is known. */
  readonly floor: readonly LayerId[];
  /** A RUN is among the step and those that it follows: made again, it may have another result. */
  readonly varies: boolean;
  /** An entry is among them of which that is true. */
  readonly onVarying: boolean;
  /**
   * A step that is not known reads from such an entry. The layers of what follows don't show which
   * one it was, so that only carrying the step out can tell.
   */
  readonly readsUnseen: boolean;
}

/** What stands on nothing. */
export const NO_GROUND: Ground = {
  floor: [],
  varies: false,
  onVarying: false,
  readsUnseen: false,
};

function isVarying({ kind }: Step, parents: readonly Ground[]): boolean {
  return kind === 'run' || parents.some(({ varies }) => varies);
}

/** The ground of a step that is not known. @param parents the one below first */
export function groundOfUnknown(step: Step, parents: readonly Ground[]): Ground {
  const [below, ...reads] = parents;
  return {
    floor: below?.floor ?? [],
    varies: isVarying(step, parents),
    onVarying: parents.some(({ onVarying }) => onVarying),
    readsUnseen:
      parents.some(({ readsUnseen }) => readsUnseen) || reads.some(({ onVarying }) => onVarying),
  };
}

/** The ground of a step with an entry. @param floor its layers */
export function groundOfEntry(
  step: Step,
  floor: readonly LayerId[],
  parents: readonly Ground[],
): Ground {
  const varies = isVarying(step, parents);
  return { floor, varies, onVarying: varies, readsUnseen: false };
}

/** Was the entry, or may it have been, made on other layers than the ground of its parents? */
export function isOffGround(
  { base, readLayers }: Pick<StepRecord, 'base' | 'readLayers'>,
  parents: readonly Ground[],
): boolean {
  // An entry of a shared cache need not say what it read: that list was made by one build.
  const stacks = [base, ...readLayers.map((read) => (read.length === 0 ? undefined : read))];
  return parents.some(({ floor, readsUnseen }, at) => {
    const stack = stacks[at];
    return readsUnseen || (stack !== undefined && floor.some((id, index) => id !== stack[index]));
  });
}

/**
 * Was the entry made on other layers than those below and beside the step now? Layers that
 * are not known don't count.
 */
export function isStale(
  { base, readLayers }: Pick<StepRecord, 'base' | 'readLayers'>,
  [below, ...reads]: readonly KnownParent[],
): boolean {
  const differs = (now: readonly LayerId[] | undefined, then: readonly LayerId[] | undefined) =>
    now !== undefined && !sameLayers(now, then ?? []);
  if (reads.length !== readLayers.length) return true;
  return (
    differs(below?.layers, base) || reads.some(({ layers }, at) => differs(layers, readLayers[at]))
  );
}
