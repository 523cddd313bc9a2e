/** Shells of a build: which steps get one, one at a time, and what waits for them. */
import { expect, test } from '@jest/globals';
import type { BuildEvent } from '../../src/engine/events.js';
import type { BuildShells, ShellOccasion } from '../../src/engine/step-shells.js';
import { buildShells } from '../../src/engine/step-shells.js';
import type { ShellMoment } from '../../src/executor/executor.js';
import type { Plan } from '../../src/plan/plan.js';
import type { StepId } from '../../src/plan/step.js';
import { deferred } from '../../src/util/deferred.js';
import { getStep } from '../support/steps.js';

const [one, two] = (['s1', 's2'] as StepId[]).map((id) =>
  getStep('run', id, { text: `RUN ${id}` }),
);
const copy = getStep('copy', 's3' as StepId, { text: 'COPY a /' });
if (!one || !two) throw new Error('two steps');
const plan = { steps: [one, two, copy] } as unknown as Plan;
const failed: ShellMoment = { kind: 'failed', message: 'it failed' };
const before: ShellMoment = { kind: 'before' };

/** Shells that end when they are told to, and what happened. */
function world(wanted?: StepId) {
  const seen: string[] = [];
  const events: BuildEvent[] = [];
  const ends = new Map<StepId, (code: number) => void>();
  const controller = new AbortController();
  const shells = buildShells(
    plan,
    {
      before: wanted && (({ id }) => id === wanted),
      attend: async ({ step }: ShellOccasion, open) => {
        seen.push(`open ${step.id}`);
        const code = await open();
        seen.push(`closed ${step.id}`);
        return code;
      },
    },
    (event) => events.push(event),
  );
  const offer = (step: typeof one, moment: ShellMoment) => {
    const { promise, resolve } = deferred<number>();
    if (step) ends.set(step.id, resolve);
    const own = step && shells.of(step, controller.signal);
    return own?.attend({ moment, program: 'sh', earlier: undefined, open: () => promise });
  };
  const end = (id: string, code: number) => ends.get(id as StepId)?.(code);
  return { shells, seen, events, offer, end, controller };
}

const soon = () => new Promise((resume) => setImmediate(resume));

async function isQuiet(shells: BuildShells, signal: AbortSignal): Promise<boolean> {
  let is = false;
  shells.quiet(signal).then(
    () => {
      is = true;
    },
    () => {},
  );
  await soon();
  return is;
}

test('the chosen step has a shell before it; 0 lets it run, another code does not', async () => {
  const { shells, offer, end, controller } = world('s2' as StepId);
  expect(shells.of(one, controller.signal)?.before).toBe(false);
  expect(shells.of(two, controller.signal)?.before).toBe(true);
  expect(shells.of(copy, controller.signal)).toBeUndefined();
  const first = offer(two, before);
  end('s2', 0);
  await first;
  const again = offer(two, before);
  end('s2', 3);
  await expect(again).rejects.toMatchObject({ code: 'STEP_FAILED', stepExitCode: 3 });
});

test('no step, and one without a program', () => {
  expect(() => world('s9' as StepId)).toThrow('there is no such step');
  expect(() => world('s3' as StepId)).toThrow('no program runs in COPY a /');
});

test('one at a time; nothing begins beside one', async () => {
  const { shells, seen, offer, end, controller } = world('s1' as StepId);
  const first = offer(one, before);
  const second = offer(two, failed);
  expect(await isQuiet(shells, controller.signal)).toBe(false);
  expect(seen).toEqual(['open s1']);
  end('s1', 0);
  await first;
  await soon();
  end('s2', 0);
  await second;
  expect(seen).toEqual(['open s1', 'closed s1', 'open s2', 'closed s2']);
});

test('after a failure nothing begins any more, and there is no second shell', async () => {
  const { shells, seen, offer, end, controller } = world();
  expect(await isQuiet(shells, controller.signal)).toBe(true);
  const first = offer(one, failed);
  const second = offer(two, failed);
  end('s1', 0);
  await Promise.all([first, second]);
  expect(seen).toEqual(['open s1', 'closed s1']);
  const waiting = shells.quiet(controller.signal);
  await soon();
  controller.abort(new Error('the build has failed'));
  await expect(waiting).rejects.toThrow('the build has failed');
  await expect(offer(two, failed)).rejects.toThrow('the build has failed');
});

test('what kept a shell from being opened is a warning', () => {
  const { shells, events, controller } = world();
  shells.of(one, controller.signal)?.giveUp('no shell');
  expect(events).toEqual([
    { type: 'warning', message: 'no shell was opened after the failure: no shell' },
  ]);
});
