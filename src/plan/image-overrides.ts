/** What the command line wants of the image, after the last instruction. */
import type { Compilation, StageState } from './compilation.js';
import { scratchStep } from './origins.js';
import type { ResultOptions } from './plan.js';
import { applyChange } from './stage-config.js';
import type { StepId } from './step.js';

type Result = Pick<StageState, 'head' | 'history'>;

/** The step that a file system begins with. */
function getBottom({ graph }: Compilation, head: StepId): StepId {
  const parents = new Map(graph.steps().map(({ id, parent }) => [id, parent]));
  let bottom = head;
  for (let at: StepId | undefined = head; at !== undefined; at = parents.get(at)) bottom = at;
  return bottom;
}

/** The last entry that has a layer has that of the squash; the others' have gone into it. */
function squashedHistory(
  history: Result['history'],
  bottom: StepId,
  all: boolean,
  step: StepId,
): Result['history'] {
  const isMerged = (entry: Result['history'][number]) =>
    !entry.empty_layer && (all || entry.step !== bottom);
  const last = history.findLast(isMerged);
  return history.map((entry) => {
    if (entry === last) {
      const { created: _, ...merged } = entry;
      return { ...merged, step };
    }
    return isMerged(entry) ? { ...entry, empty_layer: true } : entry;
  });
}

function squash(compilation: Compilation, state: StageState, all: boolean): Result {
  const { head, platform, stage, history } = state;
  const { location } = stage.from;
  const text = all ? 'squash all layers' : 'squash the new layers';
  const common = { text, stage: stage.title, platform, location };
  const bottom = getBottom(compilation, head);
  const parent = all ? scratchStep(compilation, stage.title, platform, text, location) : bottom;
  const step = compilation.graph.add({ ...common, kind: 'squash', parent, reads: [head] });
  return { head: step, history: squashedHistory(history, bottom, all, step) };
}

/** Changes the config of the target's stage. @returns its top step */
export function finishResult(
  compilation: Compilation,
  state: StageState,
  { env, unsetEnv, unsetLabels, squash: wanted, omitHistory }: ResultOptions,
): Result {
  applyChange(state.config, { env: Object.entries(env) });
  for (const name of unsetEnv) state.config.env.delete(name);
  for (const name of unsetLabels) state.config.labels.delete(name);
  const { head, history } =
    wanted === undefined ? state : squash(compilation, state, wanted === 'all');
  return { head, history: omitHistory ? [] : history };
}
