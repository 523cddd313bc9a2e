/** Questions about a build that is not carried out: `wiac plan` and `wiac why`. */
import type { Plan } from '../plan/plan.js';
import { treeNodes, treeReader } from '../store/entries/entries.js';
import type { Store } from '../store/store.js';
import type { Explanation } from '../why/explain.js';
import { explainMiss } from '../why/explain.js';
import { getSignal, openDockerfile, planDockerfile } from './plan-dockerfile.js';
import type { StepStatus } from './plan-status.js';
import { planStatus } from './plan-status.js';
import type { DockerfileRequest } from './request.js';

/** A plan with what the cache has of it. */
export interface PlanAnswer {
  readonly plan: Plan;
  /** The steps in the order of the plan. */
  readonly statuses: readonly StepStatus[];
}

/**
 * Compiles a Dockerfile and looks its steps up. Nothing is run or kept.
 * @throws what planDockerfile throws
 */
export async function planBuild(store: Store, request: DockerfileRequest): Promise<PlanAnswer> {
  const { input, close } = await openDockerfile(store, request);
  try {
    const {
      plan,
      images,
      openContext,
      close: closeImages,
    } = await planDockerfile(store, input, request);
    try {
      const { environment, sshAgent } = request;
      const options = { environment, sshAgent, signal: getSignal(request) };
      return { plan, statuses: await planStatus(plan, store, openContext, images, options) };
    } finally {
      await closeImages();
    }
  } finally {
    close();
  }
}

/** Whether a step would run, and why. */
export interface WhyAnswer {
  readonly status: StepStatus;
  /** Undefined for a step that would not run. */
  readonly explanation: Explanation | undefined;
}

function explain(store: Store, status: StepStatus): WhyAnswer {
  const { keyed, step } = status;
  if (status.status !== 'miss' || !keyed) return { status, explanation: undefined };
  const filesUnknown =
    step.kind === 'copy' && step.from !== undefined && keyed.inputs.files.length === 0;
  const read = treeReader(treeNodes(store));
  return { status, explanation: explainMiss(store, { ...keyed, filesUnknown }, read) };
}

/** Says of each step with a key whether it would run, and what differs from the nearest entry. */
export async function explainBuild(
  store: Store,
  request: DockerfileRequest,
): Promise<{ readonly plan: Plan; readonly answers: readonly WhyAnswer[] }> {
  const { plan, statuses } = await planBuild(store, request);
  const keyed = statuses.filter(({ status }) => status !== 'none');
  return { plan, answers: keyed.map((status) => explain(store, status)) };
}
