/** What the executor is told of a RUN before its turn comes. */
import type { Step } from '../plan/step.js';
import type { BuildSession } from './build-session.js';

/**
 * Tells the executor of this machine that a step is going to be executed, if it is a RUN that stays here.
 * @param isCertain false: unless a look-up by its content finds it
 */
export function expectRun({ executor }: BuildSession, step: Step, isCertain: boolean): void {
  if (step.kind === 'run' && !executor.travels?.(step)) executor.expect?.(isCertain);
}
