/** The state of a step as a shape, so that nobody needs colours to tell. */
import type { StepStatus } from '../report/report-data.js';
import { STATUS } from './wording.js';

/** In a square of 12, of any SVG. */
export function Shape({ status }: { readonly status: StepStatus }) {
  switch (status) {
    case 'ran':
      return <circle class="mark ran" cx="6" cy="6" r="4.5" />;
    case 'cached':
      return <circle class="mark cached" cx="6" cy="6" r="3.75" />;
    case 'failed':
      return <path class="mark failed" d="M2 2L10 10M10 2L2 10" />;
    case 'stopped':
      return <rect class="mark stopped" x="2.5" y="2.5" width="7" height="7" />;
    case 'running':
      return <path class="mark running" d="M3 1.5L10.5 6L3 10.5Z" />;
    case 'unreached':
      return <circle class="mark unreached" cx="6" cy="6" r="3.75" />;
    case 'none':
      return <path class="mark none" d="M3 6H9" />;
  }
}

export function StatusMark({ status }: { readonly status: StepStatus }) {
  return (
    <svg
      class="status-mark"
      width="12"
      height="12"
      viewBox="0 0 12 12"
      role="img"
      aria-label={STATUS[status]}
    >
      <Shape status={status} />
    </svg>
  );
}
