/** Which steps want a worker with a label: as the Dockerfile says above an instruction, or the command line. */
import { parseDockerfile } from '../dockerfile/parse-dockerfile.js';
import type { Step } from '../plan/step.js';

/** `# wiac:label=gpu`, on a line of its own. */
const LABEL = /^wiac:label=([\w.-]{1,40})$/;

/** A step of the command line and its label. */
export type GivenLabel = readonly [step: string, label: string];

/** Labels by the line of the instruction that they stand above. Pure. @throws DockerfileError */
export function labelLines(text: string, file: string): ReadonlyMap<number, string> {
  const labels = new Map<number, string>();
  for (const comment of parseDockerfile(text, file).comments) {
    const lines = comment.text.split('\n');
    for (const line of lines) {
      const [, label] = LABEL.exec(line.trim()) ?? [];
      if (label !== undefined) labels.set(comment.line + lines.length, label);
    }
  }
  return labels;
}

/**
 * The label of a step. What the command line says counts first: its id, its stage, or the beginning of its
 * instruction.
 */
export function labelOf(
  { id, stage, text, location }: Pick<Step, 'id' | 'stage' | 'text' | 'location'>,
  given: readonly GivenLabel[],
  lines: ReadonlyMap<number, string>,
): string | undefined {
  const found = given.find(([wanted]) => {
    const name = wanted.toLowerCase();
    return id === name || stage.toLowerCase() === name || text.toLowerCase().startsWith(name);
  });
  return found?.[1] ?? lines.get(location.line);
}
