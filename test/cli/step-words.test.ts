/** What the words of `--debug`, `wiac shell` and `wiac diff` mean. */
import { describe, expect, test } from '@jest/globals';
import { describeOccasion, parseDebug } from '../../src/cli/debug-option.js';
import { splitAtDashes } from '../../src/cli/declare/declare-steps.js';
import { isWrittenAsContext } from '../../src/cli/step-operands.js';
import type { Plan } from '../../src/plan/plan.js';
import type { RunStep, StepId } from '../../src/plan/step.js';
import { getStep } from '../support/steps.js';

describe('--debug', () => {
  test.each<[string[], ReturnType<typeof parseDebug>]>([
    [[], undefined],
    [['true'], { program: undefined, step: undefined }],
    [['/bin/bash'], { program: '/bin/bash', step: undefined }],
    [['[build 2/4]'], { program: undefined, step: '[build 2/4]' }],
    [['s3', '/bin/zsh'], { program: '/bin/zsh', step: 's3' }],
    [['s3', 'true'], { program: undefined, step: 's3' }],
    // The last one counts, as of every switch.
    [['s3', 'false'], undefined],
    [['false', 'true'], { program: undefined, step: undefined }],
  ])('%j', (values, wish) => {
    expect(parseDebug(values)).toEqual(wish);
  });

  test.each([[['s1', 's2']], [['/bin/a', '/bin/b']], [['']]])('%j is refused', (values) => {
    expect(() => parseDebug(values)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });

  test('an instruction is one short line, and drives no terminal', () => {
    const text = `RUN echo \x1b[2J${'x'.repeat(200)}\nsecond`;
    const step = getStep('run', 's1' as StepId, { text }) as RunStep;
    const plan = { steps: [step] } as unknown as Plan;
    const moment = { kind: 'failed', message: 'the step ended with exit code 1' } as const;
    const said = describeOccasion({ step, plan, moment, program: '/bin/sh', earlier: '/before' });
    const [first = ''] = said.split('\n');
    expect(first).toMatch(
      /^debug: \[\w+ 1\/1\] RUN echo \\x1b\[2Jx{80,90}\.\.\. failed: the step ended/,
    );
    expect(said).not.toContain('\x1b');
    expect(said).toContain('/before has the files from before the step');
  });
});

test.each([
  ['shell . s1 -- ls -l', ['.', 's1'], ['ls', '-l']],
  ['shell . -- ls', ['.'], ['ls']],
  ['shell . --', ['.'], []],
  ['shell . s1', ['.', 's1'], []],
  ['shell . -- sh -c -- x', ['.'], ['sh', '-c', '--', 'x']],
])('%s', (line, own, command) => {
  const words = line.split(' ');
  const operands = words.slice(1);
  // commander takes the first one away.
  if (operands.includes('--')) operands.splice(operands.indexOf('--'), 1);
  expect(splitAtDashes(operands, words)).toEqual({ own, command });
});

test.each([
  ['.', true],
  ['..', true],
  ['./image', true],
  ['../a', true],
  ['/a', true],
  ['-', true],
  ['https://host/a.git', true],
  ['image', false],
  ['host/name:tag', false],
  ['docker://a', false],
  ['.hidden', false],
])('%s is written as a context: %p', (text, is) => {
  expect(isWrittenAsContext(text)).toBe(is);
});
