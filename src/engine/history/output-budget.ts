/** How much of the output of steps is kept: of a long one the beginning and the end. Pure. */
import type { StepId } from '../../plan/step.js';
import type { RecordedCut, Timed } from './record.js';

export interface OutputLimits {
  /** Of one step, at its beginning, and as much at its end. */
  readonly stepBytes: number;
  /** Of all steps together; what is beyond it has its last lines alone. */
  readonly buildBytes: number;
  /** The end of a step's output that is kept whatever else there is. */
  readonly lastBytes: number;
}

export const OUTPUT_LIMITS: OutputLimits = {
  stepBytes: 512 * 1024,
  buildBytes: 16 * 1024 * 1024,
  lastBytes: 16 * 1024,
};

/** Of a row that is no text of the step. */
const ROW_BYTES = 48;

/** A line of output. It is made a row when it is sure to stay: most lines of a chatty step never are. */
export interface OutputLine {
  readonly at: number;
  readonly text: string;
}

interface StepOutput {
  used: number;
  /** What waits for the end of the step. */
  tail: OutputLine[];
  /** Where `tail` begins: what is before it was dropped. */
  from: number;
  tailBytes: number;
  lines: number;
  bytes: number;
  cutAt: number;
}

/** Decides on each line of output. */
export interface OutputBudget {
  /** @returns is it written now? */
  readonly add: (step: StepId, line: OutputLine) => boolean;
  /** The step has ended. @returns what is still to be written: how much is missing, and the last lines */
  readonly end: (step: StepId) => { cut: Timed<RecordedCut> | undefined; lines: OutputLine[] };
  /** Steps that have not ended. */
  readonly open: () => StepId[];
}

const sizeOf = ({ text }: OutputLine) => text.length + ROW_BYTES;

function drop(output: StepOutput, most: number): void {
  while (output.tailBytes > most) {
    const line = output.tail[output.from];
    if (!line) break;
    output.from += 1;
    output.tailBytes -= sizeOf(line);
    output.lines += 1;
    output.bytes += line.text.length;
    output.cutAt = line.at;
  }
  // Not for each line: that would move all others each time.
  if (output.from < 1000) return;
  output.tail = output.tail.slice(output.from);
  output.from = 0;
}

/** Nothing was written yet. */
export function openOutputBudget(limits: OutputLimits = OUTPUT_LIMITS): OutputBudget {
  const steps = new Map<StepId, StepOutput>();
  let left = limits.buildBytes;
  const tailLimit = () => Math.max(limits.lastBytes, Math.min(limits.stepBytes, left));
  return {
    add(step, line) {
      let output = steps.get(step);
      if (!output) {
        output = { used: 0, tail: [], from: 0, tailBytes: 0, lines: 0, bytes: 0, cutAt: 0 };
        steps.set(step, output);
      }
      const size = sizeOf(line);
      const fits = output.used + size <= limits.stepBytes && size <= left;
      if (fits && output.tail.length === 0) {
        output.used += size;
        left -= size;
        return true;
      }
      output.tail.push(line);
      output.tailBytes += size;
      drop(output, tailLimit());
      return false;
    },
    end(step) {
      const output = steps.get(step);
      if (!output) return { cut: undefined, lines: [] };
      steps.delete(step);
      drop(output, tailLimit());
      const { tail, from, tailBytes, lines, bytes, cutAt } = output;
      left -= tailBytes;
      const cut: Timed<RecordedCut> = { type: 'cut', at: cutAt, step, lines, bytes };
      return { cut: lines > 0 ? cut : undefined, lines: tail.slice(from) };
    },
    open: () => [...steps.keys()],
  };
}
