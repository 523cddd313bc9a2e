/** Names of steps for people: `[build 2/4]`, the stage and the place in it. */
import type { Step, StepId } from './step.js';

/** The names of a plan's steps; steps without a layer count like all others. */
export function stepNames(
  steps: readonly Pick<Step, 'id' | 'stage'>[],
): ReadonlyMap<StepId, string> {
  const totals = new Map<string, number>();
  for (const { stage } of steps) totals.set(stage, (totals.get(stage) ?? 0) + 1);
  const seen = new Map<string, number>();
  const names = new Map<StepId, string>();
  for (const { id, stage } of steps) {
    const place = (seen.get(stage) ?? 0) + 1;
    seen.set(stage, place);
    names.set(id, `[${stage} ${place}/${totals.get(stage)}]`);
  }
  return names;
}
