/** What `wiac repro` finds out, as plain data. docs/reproducible.md describes its JSON form. */
import type { StepId } from '../plan/step.js';
import type { SourceLocation } from '../util/errors.js';
import type { Finding } from './layer-finding.js';

/** Counts up when a member goes or gets another meaning; new members may come. */
export const REPRO_VERSION = 1;

/** One step, run twice on the same layers. */
export interface RepeatedStep {
  readonly step: StepId;
  /** The instruction. */
  readonly text: string;
  readonly location: SourceLocation;
  /** `failed`: the second run did. */
  readonly outcome: 'same' | 'different' | 'failed';
  /** How it failed. */
  readonly message?: string | undefined;
  /** The paths that differ; of more than a thousand the first ones. */
  readonly findings: readonly Finding[];
  /** How many paths differ. */
  readonly differences: number;
  /** Paths that differ only in the time at which they were written, which does not count. */
  readonly times: number;
}

/** What can differ between the two runs. */
export const VARIABLES = ['time', 'pids', 'hostname', 'order', 'cpus', 'umask', 'locale'] as const;
export type Variable = (typeof VARIABLES)[number];

/** One platform of a Dockerfile. */
export interface ReproReport {
  readonly platform: string;
  /** What was other in the second run. */
  readonly varied: readonly Variable[];
  /** What was to be other and could not, and why. */
  readonly notVaried: readonly { readonly what: Variable; readonly why: string }[];
  /** The RUN steps, in the order of the plan. */
  readonly steps: readonly RepeatedStep[];
  /** The first step that made other files, or failed. */
  readonly first: StepId | undefined;
}

/** The first step that is not reproducible. */
export function firstDifferent(steps: readonly RepeatedStep[]): StepId | undefined {
  return steps.find(({ outcome }) => outcome !== 'same')?.step;
}
