/** Adds up the numbers of a build from its events. Pure. */
import type { StepId } from '../../plan/step.js';
import type { BuildTotals, RecordedEvent, RecordedStep } from './record.js';

/** Adds one event after the other. */
export interface TotalsCounter {
  readonly add: (event: RecordedEvent) => void;
  readonly totals: () => BuildTotals;
}

/** Steps that make a layer are counted: FROM and what changes only the config are nothing to wait for. */
export function countTotals(): TotalsCounter {
  let steps: ReadonlyMap<StepId, RecordedStep> = new Map();
  let [cached, executed, savedMs] = [0, 0, 0];
  const failed: string[] = [];
  const counts = (id: StepId): boolean => {
    const kind = steps.get(id)?.kind;
    return kind !== 'source' && kind !== 'meta';
  };
  return {
    add(event) {
      if (event.type === 'planned') steps = new Map(event.steps.map((step) => [step.id, step]));
      if (event.type === 'cached' && counts(event.step)) {
        cached += 1;
        savedMs += event.durationMs;
      }
      if (event.type === 'finished' && event.cached && counts(event.step)) cached += 1;
      else if ((event.type === 'finished' || event.type === 'failed') && counts(event.step))
        executed += 1;
      if (event.type === 'failed') failed.push(steps.get(event.step)?.name ?? event.step);
    },
    totals: () => ({ cached, executed, savedMs: Math.round(savedMs), failed }),
  };
}
