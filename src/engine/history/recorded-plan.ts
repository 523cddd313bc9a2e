/** A plan as it is kept: the shape and the texts, not the operands. Pure. */

import type { Step } from '../../plan/step.js';
import { stepNames } from '../../plan/step-names.js';
import type { RecordedStep } from './record.js';

/** A heredoc can be a program of megabytes. */
const LONGEST_TEXT = 8192;

/** The middle of a long text is left out. */
export function cutText(text: string, longest: number): string {
  if (text.length <= longest) return text;
  const half = Math.floor(longest / 2);
  const left = text.length - 2 * half;
  return `${text.slice(0, half)} … ${left} characters are left out … ${text.slice(-half)}`;
}

/** The steps of one platform. */
export function recordedPlan(steps: readonly Step[]): RecordedStep[] {
  const names = stepNames(steps);
  return steps.map((step) => {
    const { id, kind, parent, reads, text, stage, platform, location } = step;
    const from = step.kind === 'copy' ? step.from : undefined;
    const name = names.get(id) ?? id;
    const shown = cutText(text, LONGEST_TEXT);
    return { id, name, kind, parent, reads, text: shown, stage, platform, location, from };
  });
}
