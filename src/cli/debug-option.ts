/** --debug: shells in the containers of steps. */
import type { ShellOccasion, ShellRequest } from '../engine/step-shells.js';
import type { Step } from '../plan/step.js';
import { stepNames } from '../plan/step-names.js';
import { StepFailedError, UsageError } from '../util/errors.js';
import { printable } from '../util/printable.js';
import { requireSteps, selects } from './select-step.js';

/** What the values of --debug say. */
export interface DebugWish {
  /** Absolute path of a shell in the image. */
  readonly program: string | undefined;
  /** As `wiac why` takes it. */
  readonly step: string | undefined;
}

/**
 * A shell is an absolute path, and no name of a step begins with a slash.
 * @param values of --debug; alone it has `true`
 * @returns undefined when there are to be no shells
 * @throws UsageError
 */
export function parseDebug(values: readonly string[]): DebugWish | undefined {
  const given = values.filter((value) => value !== 'true' && value !== 'false');
  const last = values.at(-1);
  if (last === undefined || last === 'false') return undefined;
  const [programs, steps] = [true, false].map((isPath) =>
    given.filter((value) => value.startsWith('/') === isPath),
  ) as [string[], string[]];
  if (programs.length > 1 || steps.length > 1 || given.includes(''))
    throw new UsageError('--debug takes one shell and one step', {
      hint: '--debug=/bin/bash --debug=STEP',
    });
  return { program: programs[0], step: steps[0] };
}

/** As much of an instruction is enough to know it by. */
const SHOWN_CHARACTERS = 100;

/** What a person is told before a shell is opened. */
export function describeOccasion({ step, plan, moment, earlier, program }: ShellOccasion): string {
  const [first = '', ...more] = step.text.split('\n');
  const isCut = more.length > 0 || first.length > SHOWN_CHARACTERS;
  const text = `${first.slice(0, SHOWN_CHARACTERS)}${isCut ? '...' : ''}`;
  const name = `${stepNames(plan.steps).get(step.id)} ${text}`;
  const [what, files, end] =
    moment.kind === 'before'
      ? [
          `${name} is about to run`,
          'the files are those that it will find; it sees nothing of what you change',
          'exit code 0 (exit 0) lets the build go on, another one (exit 1) stops it',
        ]
      : [
          `${name} failed: ${moment.message}`,
          'the files are as it left them; nothing of what you change is kept',
          'when the shell ends, the build fails',
        ];
  const lines = [
    what,
    `${program} in its container: ${files}`,
    ...(earlier === undefined ? [] : [`${earlier} has the files from before the step`]),
    end,
  ];
  return lines.map((line) => `debug: ${printable(line)}\n`).join('');
}

/** The terminal while a shell has it. */
export interface TerminalKeeper {
  readonly pause: () => void;
  readonly resume: () => void;
  readonly write: (text: string) => void;
}

/** Can a shell be opened? It reads from standard input and writes to standard error. */
function hasTerminal(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/** --debug of one build. */
export interface Debugging {
  /** What is asked of the engine. */
  readonly shells: ShellRequest | undefined;
  /** Said when the build has ended without a shell that was asked for. */
  readonly missed: (failure: unknown) => string | undefined;
}

/**
 * @param values of --debug
 * @throws UsageError, also for a step where there is no terminal
 */
export function openDebugging(
  values: readonly string[],
  { TERM }: NodeJS.ProcessEnv,
  { pause, resume, write }: TerminalKeeper,
): Debugging {
  const wish = parseDebug(values);
  if (!wish) return { shells: undefined, missed: () => undefined };
  const { program, step: wanted } = wish;
  if (!hasTerminal()) {
    const reason = 'standard input and standard error are no terminal';
    if (wanted !== undefined)
      throw new UsageError(`--debug=${wanted}: no shell can be opened, because ${reason}`);
    const message = `no shell was opened after the failure: ${reason}`;
    return {
      shells: undefined,
      missed: (failure) => (failure instanceof StepFailedError ? message : undefined),
    };
  }
  let wasBefore = false;
  const before = (step: Step, { steps }: { readonly steps: readonly Step[] }): boolean => {
    if (wanted === undefined) return false;
    requireSteps([wanted], steps);
    return selects(wanted, step, stepNames(steps).get(step.id) ?? '');
  };
  const attend: ShellRequest['attend'] = async (occasion, open) => {
    wasBefore ||= occasion.moment.kind === 'before';
    pause();
    write(describeOccasion(occasion));
    try {
      return await open();
    } finally {
      resume();
    }
  };
  return {
    shells: { before: wanted === undefined ? undefined : before, program, term: TERM, attend },
    missed: (failure) =>
      wanted === undefined || wasBefore || failure !== undefined
        ? undefined
        : `--debug=${wanted}: the step is in the cache and was not run; --no-cache-filter=STAGE runs those of its stage`,
  };
}
