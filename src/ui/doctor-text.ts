/** The doctor's report as text. */

import type { Finding } from '../doctor/judge-machine.js';
import { printable } from '../util/printable.js';

/** A finding a line, and below it the command that mends it. */
export function formatFindings(findings: readonly Finding[]): string {
  const columns = Math.max(...findings.map(({ name }) => name.length));
  return findings
    .map(({ name, state, text, mend }) => {
      const line = `${state.padEnd('missing'.length)}  ${name.padEnd(columns)}  ${printable(text)}\n`;
      return mend === undefined ? line : `${line}${' '.repeat(columns + 11)}${printable(mend)}\n`;
    })
    .join('');
}
