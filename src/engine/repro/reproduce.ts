/** Runs the steps of a Dockerfile a second time: what `wiac repro` and programs call. */
import { hostname } from 'node:os';
import { STEP_HOSTNAME } from '../../executor/local/container.js';
import { lazyExecutor } from '../../executor/local/lazy-executor.js';
import { ownCpus } from '../../executor/local/own-cpus.js';
import { createHash64 } from '../../fs/scan/hash64.js';
import type { Plan } from '../../plan/plan.js';
import type { RunStep, Step, StepId } from '../../plan/step.js';
import type { ReproReport, Variable } from '../../repro/repro-report.js';
import { firstDifferent } from '../../repro/repro-report.js';
import { indexScanStore } from '../../store/entries/scan-store.js';
import type { Store } from '../../store/store.js';
import { NotFoundError } from '../../util/errors.js';
import { stoppable } from '../../util/stoppable.js';
import type { DockerfileBuild, DockerfileResult } from '../build-dockerfile.js';
import { buildDockerfile } from '../build-dockerfile.js';
import type { BuildSession } from '../build-session.js';
import type { StepState } from '../lookup.js';
import { NOTHING } from '../lookup.js';
import type { BuildMachine } from '../run-build.js';
import { resolvePlan } from '../scheduler.js';
import type { InSlot } from '../step-slots.js';
import { stepLimits, stepSlots } from '../step-slots.js';
import type { Repeating, StepToRepeat } from './repeat-step.js';
import { repeatStep } from './repeat-step.js';
import { repetition, USUAL } from './vary.js';

/** A Dockerfile whose steps are to be repeated. Everything that has a default may be left out. */
export interface ReproRequest
  extends Omit<DockerfileBuild, 'executor' | 'inspect' | 'names' | 'keep'> {
  /** The steps to be repeated; all RUN steps by default. */
  readonly repeats?: ((step: Step, plan: Plan) => boolean) | undefined;
  /** What is other in the second run; by default time, pids, hostname, order and cpus. */
  readonly vary?: readonly Variable[] | undefined;
  /** Times of files count as well, as they are in an image. */
  readonly times?: boolean | undefined;
  /** Told when a step begins its second run, and when that was compared. */
  readonly onRepeat?:
    | ((
        step: Step,
        outcome: ReproReport['steps'][number]['outcome'] | undefined,
        plan: Plan,
      ) => void)
    | undefined;
}

/** What was found out. */
export interface ReproResult {
  /** For each platform, in the order of the request. */
  readonly reports: readonly ReproReport[];
  readonly build: DockerfileResult;
}

/** The state of a step, which is looked up, or carried out, if it was not needed for the result. */
function stateFinder(
  session: BuildSession,
  plan: Plan,
  known: ReadonlyMap<StepId, StepState>,
  inSlot: InSlot,
): (id: StepId | undefined) => Promise<StepState> {
  const states = new Map(known);
  const bottoms = new Set(plan.steps.filter(({ kind }) => kind === 'source').map(({ id }) => id));
  return async (id) => {
    if (id === undefined) return NOTHING;
    const found = states.get(id);
    if (found && (found.key !== undefined || bottoms.has(id))) return found;
    const resolved = await stoppable(session.signal, (signal, stop) =>
      resolvePlan({ ...session, signal }, { ...plan, target: id }, inSlot, stop),
    );
    for (const [each, state] of resolved.states) states.set(each, state);
    const state = states.get(id);
    if (!state) throw new Error(`there is no state of ${id}`);
    return state;
  };
}

function stepsToRepeat(plan: Plan, { repeats = () => true }: ReproRequest): RunStep[] {
  const chosen = plan.steps.filter((step) => repeats(step, plan));
  const runs = chosen.filter((step) => step.kind === 'run');
  if (runs.length > 0 || chosen.length === plan.steps.length) return runs;
  const [step] = chosen;
  const message = step ? `no program runs in ${step.text}` : 'there is no such step';
  throw new NotFoundError(message, {
    hint: 'only RUN steps are repeated: what COPY, ADD and WORKDIR make is decided by their inputs. wiac plan lists the steps',
  });
}

/**
 * Repeats the steps of a plan that was resolved.
 * @param slots how many at the same time
 */
async function repeatSteps(
  repeating: Repeating,
  plan: Plan,
  known: ReadonlyMap<StepId, StepState>,
  request: ReproRequest,
): Promise<ReproReport['steps']> {
  const { session } = repeating;
  const inSlot = stepSlots(stepLimits(request.jobs));
  const find = stateFinder(session, plan, known, inSlot);
  const work: StepToRepeat[] = [];
  for (const step of stepsToRepeat(plan, request)) {
    const reads: StepState[] = [];
    for (const id of step.reads) reads.push(await find(id));
    work.push({ step, state: await find(step.id), base: await find(step.parent), reads });
  }
  return stoppable(session.signal, (signal, stop) =>
    Promise.all(
      work.map((each) =>
        inSlot(each.step, async () => {
          signal.throwIfAborted();
          request.onRepeat?.(each.step, undefined, plan);
          const made = await repeatStep({ ...repeating, session: { ...session, signal } }, each);
          request.onRepeat?.(each.step, made.outcome, plan);
          return made;
        }).catch((error: unknown) => {
          stop(error);
          throw error;
        }),
      ),
    ),
  );
}

/** See Runs.timesBefore. */
function getTimesBefore(
  { times, rewriteTimestamp, timestamp }: ReproRequest,
  epoch: number | undefined,
): number | undefined {
  // One time for every file: none is left.
  if (timestamp !== undefined) return Number.NEGATIVE_INFINITY;
  if (rewriteTimestamp) return epoch;
  return times ? Number.POSITIVE_INFINITY : undefined;
}

/**
 * Builds a Dockerfile, and runs each of its RUN steps again on exactly the layers that it ran on, into a
 * layer that is thrown away. What is in the cache is the first run. Nothing is left running or mounted.
 * @throws what a build throws; NotFoundError when there is no such step
 */
export async function reproduce(store: Store, request: ReproRequest): Promise<ReproResult> {
  const { isolation = 'namespaces', runtime, limits = {}, privateNetwork } = request;
  const cpus = ownCpus();
  const hasCpuset = limits.cpusetCpus !== undefined;
  const usualHostname = isolation === 'chroot' ? hostname() : STEP_HOSTNAME;
  const machine = { isolation, runtime, cpus, hasCpuset };
  const again = repetition(request.vary ?? USUAL, machine, usualHostname);
  const usual = { hostname: usualHostname, cpus: cpus.length };
  const hash = await createHash64();
  const network = privateNetwork ? ('private' as const) : ('host' as const);
  const reports: ReproReport[] = [];
  let second: ReturnType<typeof lazyExecutor> | undefined;
  let epoch: number | undefined;
  // Digests of files that are thrown away stay out of the index.
  const scanStore = indexScanStore(store, hash);
  const executor = (own: BuildMachine) => {
    const given = { ...own, isolation, runtime, limits, network };
    second = lazyExecutor({ ...given, scanStore, variation: again.variation });
    return lazyExecutor(given);
  };
  const build = await buildDockerfile(store, {
    ...request,
    executor,
    onInput: (facts) => {
      epoch = facts.epoch;
      request.onInput?.(facts);
    },
    inspect: async (session, plan, states) => {
      if (!second) throw new Error('a build without its executor');
      const timesBefore = getTimesBefore(request, epoch);
      const repeating = {
        session,
        executor: second,
        scanStore,
        repetition: again,
        usual,
        timesBefore,
      };
      const steps = await repeatSteps(repeating, plan, states, request).finally(second.close);
      const { varied, notVaried } = again;
      reports.push({
        platform: plan.platform,
        varied,
        notVaried,
        steps,
        first: firstDifferent(steps),
      });
    },
  });
  return { reports, build };
}
