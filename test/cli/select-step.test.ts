/** Names of steps on a command line that mean none. */
import { describe, expect, test } from '@jest/globals';
import { requireSteps } from '../../src/cli/select-step.js';
import type { StepId } from '../../src/plan/step.js';

describe('names of steps', () => {
  const steps = [
    { id: 's1' as StepId, stage: '0', text: 'FROM scratch' },
    { id: 's2' as StepId, stage: '0', text: 'RUN make all' },
  ];

  test('an id, a name with and without brackets, the beginning of an instruction', () => {
    expect(() => requireSteps(['s2', 'S1', '[0 2/2]', '0 1/2', 'run make'], steps)).not.toThrow();
  });

  test('one that means none is named, also beside others that mean one', () => {
    expect(() => requireSteps(['s2', 'RUN mkae', 's9'], steps)).toThrow(
      'there is no step RUN mkae',
    );
  });
});
