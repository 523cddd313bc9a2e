/** `wiac why`: for each step that would run, what is not as it was when it ran last. */
import type { StepStatus } from '../engine/plan-status.js';
import { planStatus } from '../engine/plan-status.js';
import type { Step, StepId } from '../plan/step.js';
import { treeNodes, treeReader } from '../store/entries/entries.js';
import type { Store } from '../store/store.js';
import { stepNames } from '../ui/step-names.js';
import { NotFoundError } from '../util/errors.js';
import type { Explanation } from '../why/explain.js';
import { describeExplanation, explainMiss } from '../why/explain.js';
import type { DockerfileOptions } from './dockerfile-input.js';
import { withPlan } from './with-store.js';

/** Options of `wiac why`, as commander gives them. */
export interface WhyOptions extends DockerfileOptions {
  readonly format: 'text' | 'json';
}

interface Answer {
  readonly status: StepStatus;
  readonly explanation: Explanation | undefined;
}

function explain(store: Store, status: StepStatus): Answer {
  const { keyed, step } = status;
  if (status.status !== 'miss' || !keyed) return { status, explanation: undefined };
  const filesUnknown =
    step.kind === 'copy' && step.from !== undefined && keyed.inputs.files.length === 0;
  const read = treeReader(treeNodes(store));
  return { status, explanation: explainMiss(store, { ...keyed, filesUnknown }, read) };
}

/** By its id, its name as `wiac plan` prints it, or the beginning of its instruction. */
function selects(wanted: string, step: Step, name: string): boolean {
  const text = wanted.toLowerCase();
  return (
    step.id === text ||
    name.toLowerCase() === text ||
    name.toLowerCase() === `[${text}]` ||
    step.text.toLowerCase().startsWith(text)
  );
}

function asText(answers: readonly Answer[], name: (id: StepId) => string): string {
  const missed = answers.filter(({ explanation }) => explanation !== undefined);
  if (missed.length === 0) return 'every step is in the cache\n';
  return missed
    .map(({ status, explanation }) => {
      const { step, afterMiss } = status;
      const because = explanation ? describeExplanation(explanation, name) : '';
      const perhaps = afterMiss ? ' (runs only if what is before it makes other files)' : '';
      return `${name(step.id)} ${step.text}\n    ${because}${perhaps}\n`;
    })
    .join('');
}

function asJson(answers: readonly Answer[], name: (id: StepId) => string): string {
  const rows = answers.map(({ status, explanation }) => ({
    step: status.step.id,
    name: name(status.step.id),
    instruction: status.step.text,
    location: status.step.location,
    key: status.key ?? null,
    status: status.status,
    afterMiss: status.afterMiss,
    why: explanation ?? null,
    message: explanation ? describeExplanation(explanation, name) : null,
  }));
  return `${JSON.stringify(rows, null, 2)}\n`;
}

/**
 * Prints why steps would run; runs nothing.
 * @param wanted only this step; undefined: all
 * @throws NotFoundError when there is no such step
 */
export function whyCommand(
  path: string,
  wanted: string | undefined,
  options: WhyOptions,
): Promise<void> {
  return withPlan(path, options, async (store, { plan, images, openContext }) => {
    const names = stepNames(plan.steps);
    const name = (id: StepId) => names.get(id) ?? id;
    const statuses = (await planStatus(plan, store, openContext, images)).filter(
      ({ step, status }) =>
        status !== 'none' && (wanted === undefined || selects(wanted, step, name(step.id))),
    );
    if (wanted !== undefined && statuses.length === 0) {
      throw new NotFoundError(`there is no step ${wanted} that makes a layer`, {
        hint: 'wiac plan lists the steps',
      });
    }
    const answers = statuses.map((status) => explain(store, status));
    const format = options.format === 'json' ? asJson : asText;
    process.stdout.write(format(answers, name));
  });
}
