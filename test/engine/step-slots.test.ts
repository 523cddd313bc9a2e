/** How many steps run at the same time: programs may wait, wiac's own work needs a processor. */
import { expect, test } from '@jest/globals';
import { stepLimits, stepSlots } from '../../src/engine/step-slots.js';
import type { KeyedStep } from '../../src/keys/inputs.js';

const GIB = 1 << 30;

test.each<[string, Parameters<typeof stepLimits>, ReturnType<typeof stepLimits>]>([
  [
    'two processors: programs that wait need none',
    [undefined, 2, 16 * GIB],
    { programs: 8, own: 2 },
  ],
  ['many processors', [undefined, 16, 256 * GIB], { programs: 64, own: 16 }],
  ['little memory', [undefined, 2, 2 * GIB], { programs: 4, own: 2 }],
  ['less memory than processors', [undefined, 8, GIB], { programs: 8, own: 8 }],
  ['--jobs bounds both', [3, 2, 16 * GIB], { programs: 3, own: 2 }],
  ['--jobs 1', [1, 8, 16 * GIB], { programs: 1, own: 1 }],
])('%s', (_, given, expected) => {
  expect(stepLimits(...given)).toEqual(expected);
});

test('a RUN that waits holds up no COPY', async () => {
  const inSlot = stepSlots({ programs: 1, own: 1 });
  const step = (kind: string) => ({ kind }) as KeyedStep;
  let end = () => {};
  const first = inSlot(
    step('run'),
    () =>
      new Promise<void>((resume) => {
        end = resume;
      }),
  );
  let second = false;
  const next = inSlot(step('run'), async () => {
    second = true;
  });
  expect(await inSlot(step('copy'), async () => 'copied')).toBe('copied');
  expect(second).toBe(false);
  end();
  await Promise.all([first, next]);
  expect(second).toBe(true);
});
