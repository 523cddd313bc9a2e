/** `wiac why`: for each step that would run, what is not as it was when it ran last. */
import type { WhyAnswer } from '../engine/ask.js';
import { explainBuild } from '../engine/ask.js';
import type { StepId } from '../plan/step.js';
import { stepNames } from '../plan/step-names.js';
import { NotFoundError } from '../util/errors.js';
import { printable } from '../util/printable.js';
import { describeExplanation } from '../why/explain.js';
import type { SetExitCode } from './declare/options.js';
import type { DockerfileOptions } from './dockerfile-input.js';
import { selects } from './select-step.js';
import { withRequestAsRoot } from './with-store.js';

/** Options of `wiac why`, as commander gives them. */
export interface WhyOptions extends DockerfileOptions {
  readonly format: 'text' | 'json';
}

function asText(answers: readonly WhyAnswer[], name: (id: StepId) => string): string {
  const missed = answers.filter(({ explanation }) => explanation !== undefined);
  if (missed.length === 0) return 'every step is in the cache\n';
  return missed
    .map(({ status, explanation }) => {
      const { step, afterMiss } = status;
      const because = explanation ? describeExplanation(explanation, name) : '';
      const perhaps = afterMiss ? ' (runs only if what is before it makes other files)' : '';
      return `${name(step.id)} ${printable(step.text)}\n    ${because}${perhaps}\n`;
    })
    .join('');
}

function asJson(answers: readonly WhyAnswer[], name: (id: StepId) => string): string {
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
  setExitCode: SetExitCode,
): Promise<void> {
  return withRequestAsRoot(path, options, setExitCode, async (store, request) => {
    const { plan, answers } = await explainBuild(store, request);
    const names = stepNames(plan.steps);
    const name = (id: StepId) => names.get(id) ?? id;
    const chosen = answers.filter(
      ({ status: { step } }) => wanted === undefined || selects(wanted, step, name(step.id)),
    );
    if (wanted !== undefined && chosen.length === 0) {
      throw new NotFoundError(`there is no step ${wanted} that makes a layer`, {
        hint: 'wiac plan lists the steps',
      });
    }
    const format = options.format === 'json' ? asJson : asText;
    process.stdout.write(format(chosen, name));
  });
}
