/** Shells in the containers of a build's steps (--debug): which steps get one, and that each is alone. */
import type { ShellMoment, ShellOffer, StepShells } from '../executor/executor.js';
import type { Plan } from '../plan/plan.js';
import type { RunStep, Step } from '../plan/step.js';
import { deferred } from '../util/deferred.js';
import { NotFoundError, StepFailedError } from '../util/errors.js';
import { semaphore } from '../util/semaphore.js';
import type { EventSink } from './events.js';

/** A shell that is about to be opened. */
export interface ShellOccasion {
  readonly step: RunStep;
  readonly plan: Plan;
  readonly moment: ShellMoment;
  /** Its program, as the container sees it. */
  readonly program: string;
  /** Where it shows the files as they were before the step; undefined: its own files are those. */
  readonly earlier: string | undefined;
}

/** What is asked of a build that opens shells. A shell has the terminal of this process. */
export interface ShellRequest {
  /** Is one to be opened before this step runs? Asked of every step when the build begins. */
  readonly before?: ((step: Step, plan: Plan) => boolean) | undefined;
  /** Absolute path of its program in the image; whichever shell there is by default. */
  readonly program?: string | undefined;
  /** TERM of the terminal. */
  readonly term?: string | undefined;
  /**
   * Opens a shell, and keeps everything else from the terminal meanwhile; one at a time.
   * @param open has its exit code when it has ended
   */
  readonly attend: (occasion: ShellOccasion, open: () => Promise<number>) => Promise<number>;
}

/** The shells of one build. */
export interface BuildShells {
  /** Those of one step. @param signal of the build */
  readonly of: (step: Step, signal: AbortSignal) => StepShells | undefined;
  /**
   * Waits while a shell is open: steps that run go on beside it, none begins.
   * @param signal of the build
   * @throws its reason, once a step has failed
   */
  readonly quiet: (signal: AbortSignal) => Promise<void>;
}

/** @throws NotFoundError when there is no such step, or no program runs in it */
function stepsBefore(plan: Plan, { before }: ShellRequest): ReadonlySet<Step> {
  if (!before) return new Set();
  const chosen = plan.steps.filter((step) => before(step, plan));
  const runs = chosen.filter(({ kind }) => kind === 'run');
  if (runs.length > 0) return new Set(runs);
  const [step] = chosen;
  throw new NotFoundError(step ? `no program runs in ${step.text}` : 'there is no such step', {
    hint: step
      ? 'a shell can be opened before RUN steps; wiac shell PATH STEP shows the files of all others'
      : 'wiac plan lists the steps',
  });
}

/** Waits for the end of a build that will be stopped. */
async function untilStopped(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) {
    const { promise, resolve } = deferred<void>();
    signal.addEventListener('abort', () => resolve(), { once: true });
    await promise;
  }
  throw signal.reason;
}

/** @throws NotFoundError as stepsBefore */
export function buildShells(plan: Plan, request: ShellRequest, emit: EventSink): BuildShells {
  const chosen = stepsBefore(plan, request);
  const alone = semaphore(1);
  let hasFailed = false;
  const attend = async (step: RunStep, offer: ShellOffer): Promise<void> => {
    const { moment, program, earlier, open } = offer;
    // The build ends with the first failure.
    if (hasFailed) return;
    hasFailed = moment.kind === 'failed';
    const code = await request.attend({ step, plan, moment, program, earlier }, open);
    if (moment.kind === 'failed' || code === 0) return;
    throw new StepFailedError(
      `the step was not run: the shell before it ended with exit code ${code}`,
      step.location,
      code,
      [],
    );
  };
  return {
    of: (step, signal) => {
      if (step.kind !== 'run') return undefined;
      return {
        before: chosen.has(step),
        program: request.program,
        term: request.term,
        attend: (offer) =>
          alone(async () => {
            signal.throwIfAborted();
            await attend(step, offer);
          }),
        giveUp: (reason) =>
          emit({ type: 'warning', message: `no shell was opened after the failure: ${reason}` }),
      };
    },
    quiet: async (signal) => {
      await alone(async () => {});
      if (hasFailed) await untilStopped(signal);
    },
  };
}
