/** Files of steps that the cache has: what `wiac shell`, `wiac diff` and `wiac export` look at. Runs nothing. */
import { formatLowerdirs, withoutRepeats } from '../executor/local/overlay.js';
import type { FileChange } from '../fs/layer/diff-stacks.js';
import { envPairs } from '../oci/image-config.js';
import type { Plan, StepSettings } from '../plan/plan.js';
import type { Step } from '../plan/step.js';
import { requirePresent } from '../store/layers/adopt-layer.js';
import { findLayer } from '../store/layers/find-layers.js';
import { layerStack } from '../store/layers/layer-stack.js';
import { layerLinks } from '../store/layers/layer-store.js';
import { retryWhenPruned, useLayers } from '../store/pins/uses.js';
import type { LayerId } from '../store/records.js';
import type { Store } from '../store/store.js';
import { NotFoundError, UsageError } from '../util/errors.js';
import type { PlanAnswer } from './ask.js';
import { planBuild } from './ask.js';
import type { ComparedPair } from './contents/diff-images.js';
import { changedFiles, comparedStacks } from './contents/diff-images.js';
import type { DockerfileRequest } from './request.js';

/** The files that a step left. */
export interface StepFiles {
  readonly step: Step;
  readonly plan: Plan;
  /** Bottom first; in use by this process from now on. */
  readonly layers: readonly LayerId[];
  /** Their directories, topmost first, as overlayfs takes them. */
  readonly lowerdirs: string;
  /** Those of the step below it; undefined: the cache does not know them. */
  readonly below: readonly LayerId[] | undefined;
  /** What a program finds that is started in them. */
  readonly settings: StepSettings;
}

/** Chooses the steps that a name can mean. */
export type ChooseSteps = (plan: Plan) => readonly Step[];

/** @param wanted as it was written, for messages @throws NotFoundError, UsageError */
function chooseOne(plan: Plan, choose: ChooseSteps, wanted: string): Step {
  const [step, ...others] = choose(plan);
  if (!step)
    throw new NotFoundError(`there is no step ${wanted}`, { hint: 'wiac plan lists the steps' });
  if (others.length === 0) return step;
  const ids = [step, ...others].map(({ id }) => id);
  throw new UsageError(`${ids.length} steps are ${wanted}: ${ids.join(', ')}`, {
    hint: 'give one of these ids; wiac plan shows them beside the instructions',
  });
}

/** The build that has the cache know a step. */
function buildCommand({ context, file, target }: DockerfileRequest, isHidden: boolean): string {
  return [
    'wiac build',
    ...(isHidden ? ['--no-cache'] : []),
    ...(file === undefined ? [] : [`-f ${file}`]),
    ...(target === undefined ? [] : [`--target ${target}`]),
    context,
  ].join(' ');
}

function getSettings(plan: Plan, step: Step): StepSettings {
  if (step.kind === 'run') return step;
  if (step.id !== plan.target) return plan.settings(step.id);
  // The command line can change what the last instruction leaves.
  const { Env, User: user = '', WorkingDir } = plan.config;
  return { env: [...envPairs(Env)], user, workdir: WorkingDir || '/' };
}

/** @throws NotFoundError when the cache does not have it */
function filesOf(
  store: Store,
  { plan, statuses }: PlanAnswer,
  step: Step,
  request: DockerfileRequest,
): StepFiles {
  const layersOf = (id: Step['id'] | undefined) =>
    id === undefined ? [] : statuses.find((status) => status.step.id === id)?.layers;
  const layers = layersOf(step.id);
  if (layers) {
    const lowerdirs = formatLowerdirs(withoutRepeats(layerLinks(store.paths, layers.toReversed())));
    const settings = getSettings(plan, step);
    return { step, plan, layers, lowerdirs, below: layersOf(step.parent), settings };
  }
  const isHidden = statuses.find((status) => status.step.id === step.id)?.status === 'unneeded';
  throw new NotFoundError(`the step ${step.text} is not in the cache`, {
    hint: `this builds it: ${buildCommand(request, isHidden)}`,
  });
}

/**
 * Declares that this process uses the files of a step.
 * @throws NotFoundError for layers that only a shared cache has; StoreError for those that are gone
 */
function claimLayers(store: Store, layers: readonly LayerId[], { text, stage }: Step): void {
  const elsewhere = layers.filter((id) => findLayer(store, id) === undefined);
  if (elsewhere.length > 0)
    throw new NotFoundError(`files of the step ${text} are not here, only in a shared cache`, {
      hint: `wiac build --cache-from CACHE --target ${stage} PATH brings the files of its stage here`,
    });
  useLayers(store, layers);
  requirePresent(store, layers, `the step ${text}`);
}

/** A step that is asked for; undefined: the last one. */
export interface WantedStep {
  /** As it was written. */
  readonly name: string;
  readonly choose: ChooseSteps;
}

/**
 * Finds the files of steps of one Dockerfile, in the order of the request.
 * @throws NotFoundError for a step that there is not, or that is not in the cache; UsageError for a name that means
 *   several; what planBuild throws
 */
export function findStepFiles(
  store: Store,
  request: DockerfileRequest,
  wanted: readonly (WantedStep | undefined)[],
): Promise<StepFiles[]> {
  return retryWhenPruned(store, () => lookUpSteps(store, request, wanted));
}

async function lookUpSteps(
  store: Store,
  request: DockerfileRequest,
  wanted: readonly (WantedStep | undefined)[],
): Promise<StepFiles[]> {
  const answer = await planBuild(store, request);
  const { plan } = answer;
  const last = plan.steps.find(({ id }) => id === plan.target);
  const found = wanted.map((one) => {
    const step = one ? chooseOne(plan, one.choose, one.name) : last;
    if (!step) throw new Error('a plan without its target');
    return filesOf(store, answer, step, request);
  });
  for (const { step, layers } of found) claimLayers(store, layers, step);
  return found;
}

/**
 * Two steps to be compared.
 * @param other undefined: the first one with the step below it
 * @throws NotFoundError when that is not in the cache
 */
export async function comparedSteps(
  store: Store,
  one: StepFiles,
  other: StepFiles | undefined,
): Promise<ComparedPair> {
  if (other)
    return comparedStacks(
      await layerStack(store, one.layers),
      await layerStack(store, other.layers),
    );
  const { step, layers, below } = one;
  if (!below)
    throw new NotFoundError(`the step below ${step.text} is not in the cache`, {
      hint: 'wiac diff PATH STEP STEP compares it with another step',
    });
  claimLayers(store, below, step);
  return comparedStacks(await layerStack(store, below), await layerStack(store, layers));
}

/** What a step changed, or what is between two, sorted by path. @throws NotFoundError as comparedSteps */
export async function diffSteps(
  store: Store,
  one: StepFiles,
  other?: StepFiles,
): Promise<FileChange[]> {
  return changedFiles(await comparedSteps(store, one, other));
}
