/** Steps that a command line names. */
import type { Step } from '../plan/step.js';

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
