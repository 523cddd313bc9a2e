/** How many steps are carried out at the same time. */
import { availableParallelism, totalmem } from 'node:os';
import type { KeyedStep } from '../keys/inputs.js';
import { semaphore } from '../util/semaphore.js';

/** What a program that compiles something is reckoned to need. Bytes. */
const MEMORY_OF_A_PROGRAM = 512 << 20;

/** As many programs for each processor may wait for a network, a disk or a clock. */
const PROGRAMS_PER_PROCESSOR = 4;

/** Fewer programs than this at a time keep small machines waiting. */
const FEWEST_PROGRAMS = 8;

/** Limits for the two kinds of work: programs in containers, and wiac's own, which uses a processor. */
export interface StepLimits {
  readonly programs: number;
  readonly own: number;
}

/**
 * A program that waits needs no processor, but memory; wiac's own work is done soonest when each
 * processor has one piece of it.
 * @param jobs what the caller wants at most; undefined: what the machine bears
 * @param memory of the machine, bytes
 */
export function stepLimits(
  jobs: number | undefined,
  processors = availableParallelism(),
  memory = totalmem(),
): StepLimits {
  if (jobs !== undefined) return { programs: jobs, own: Math.min(jobs, processors) };
  const fitting = Math.floor(memory / MEMORY_OF_A_PROGRAM);
  const wanted = Math.max(FEWEST_PROGRAMS, processors * PROGRAMS_PER_PROCESSOR);
  return { programs: Math.max(processors, Math.min(fitting, wanted)), own: processors };
}

/** Carries a step out when there is room for it. */
export type InSlot = <T>(step: KeyedStep, task: () => Promise<T>) => Promise<T>;

/** @param limits of `stepLimits` */
export function stepSlots({ programs, own }: StepLimits): InSlot {
  const program = semaphore(programs);
  const ownWork = semaphore(own);
  return (step, task) => (step.kind === 'run' || step.kind === 'fetch' ? program : ownWork)(task);
}
