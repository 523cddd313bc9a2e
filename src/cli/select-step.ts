/** Steps that a command line names. */
import type { Step } from '../plan/step.js';
import { stepNames } from '../plan/step-names.js';
import { NotFoundError } from '../util/errors.js';

/**
 * By its id, its name as `wiac plan` prints it, or the beginning of its instruction.
 * @param name of the step, in brackets
 */
export function selects(wanted: string, step: Pick<Step, 'id' | 'text'>, name: string): boolean {
  const text = wanted.toLowerCase();
  return (
    step.id === text ||
    name.toLowerCase() === text ||
    name.toLowerCase() === `[${text}]` ||
    step.text.toLowerCase().startsWith(text)
  );
}

/** @param steps of a plan @throws NotFoundError for the first name that means none of them */
export function requireSteps(
  wanted: readonly string[],
  steps: readonly Pick<Step, 'id' | 'text' | 'stage'>[],
): void {
  const names = stepNames(steps);
  for (const each of wanted)
    if (!steps.some((step) => selects(each, step, names.get(step.id) ?? '')))
      throw new NotFoundError(`there is no step ${each}`, { hint: 'wiac plan lists the steps' });
}
