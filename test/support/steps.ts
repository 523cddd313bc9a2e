/** Steps of plans for tests of pure functions: only the members that the test names are real. */
import type { Step, StepId } from '../../src/plan/step.js';

/** A step with defaults that no test depends on. */
export function getStep<K extends Step['kind']>(
  kind: K,
  id: string,
  members: Partial<Extract<Step, { kind: K }>> = {},
): Extract<Step, { kind: K }> {
  const base = {
    kind,
    id: id as StepId,
    parent: undefined,
    reads: [],
    text: `${kind} ${id}`,
    stage: '0',
    platform: 'linux/amd64',
    location: { file: 'Dockerfile', line: 1, column: 1, endLine: 1 },
  };
  return { ...base, ...members } as unknown as Extract<Step, { kind: K }>;
}
