/** A step in a line: its state, name and instruction; a click shows it. */
import type { ReportStep } from '../report/report-data.js';
import { select, selected } from './state.js';
import { StatusMark } from './status-mark.js';
import { firstLine } from './wording.js';

interface Props {
  readonly step: ReportStep;
  readonly aside?: string | undefined;
}

export function StepLink({ step, aside }: Props) {
  return (
    <button
      type="button"
      class="step-link"
      aria-pressed={selected.value === step.id}
      onClick={() => select(step.id)}
    >
      <StatusMark status={step.status} />
      <span class="step-name">{step.name}</span>
      <code>{firstLine(step.text)}</code>
      {aside === undefined ? null : <span class="aside">{aside}</span>}
    </button>
  );
}
