/** Entries whose parents were made again since. */
import type { LayerId, StepRecord } from '../store/records.js';
import type { KnownParent } from './lookup.js';

function sameLayers(a: readonly LayerId[], b: readonly LayerId[]): boolean {
  return a.length === b.length && a.every((id, index) => id === b[index]);
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
