/** `wiac repro` */
import type { ReproRequest } from '../engine/repro/reproduce.js';
import { reproduce } from '../engine/repro/reproduce.js';
import { USUAL } from '../engine/repro/vary.js';
import type { Step } from '../plan/step.js';
import { stepNames } from '../plan/step-names.js';
import type { Variable } from '../repro/repro-report.js';
import { plainProgress } from '../ui/plain.js';
import type { NamedReport } from '../ui/repro.js';
import { reproJson, reproText } from '../ui/repro.js';
import { UsageError } from '../util/errors.js';
import { abortOnSignal } from './abort-on-signal.js';
import type { ExecutionOptions } from './build-command.js';
import { buildRequest } from './build-command.js';
import { combineOptions } from './combine-options.js';
import type { SetExitCode } from './declare/options.js';
import { requireSteps, selects } from './select-step.js';
import { withStoreAsRoot } from './with-store.js';

/** Options of `wiac repro`, as commander gives them. */
export interface ReproOptions extends ExecutionOptions {
  readonly against?: string;
  readonly json: boolean;
  readonly vary?: readonly Variable[];
  readonly same?: readonly Variable[];
  readonly mtime: boolean;
  readonly quiet: boolean;
}

/** A step has made other files in its second run. */
export const NOT_REPRODUCIBLE = 13;

function getVary({ vary = [], same = [] }: ReproOptions): Variable[] {
  return [...new Set([...USUAL, ...vary])].filter((what) => !same.includes(what));
}

/** What is told while it works. */
function progressOf({ quiet }: ReproOptions): Pick<ReproRequest, 'onEvent' | 'onRepeat'> {
  if (quiet) return {};
  const write = (text: string) => void process.stderr.write(text);
  const said = { same: 'the same files', different: 'other files', failed: 'it failed' };
  return {
    onEvent: plainProgress(write),
    onRepeat: (step, outcome, { steps }) => {
      const name = stepNames(steps).get(step.id);
      write(`${name} second run: ${outcome === undefined ? step.text : said[outcome]}\n`);
    },
  };
}

/** Prints which steps make other files when they run again. */
export async function reproCommand(
  path: string | undefined,
  wanted: readonly string[],
  given: ReproOptions,
  setExitCode: SetExitCode,
): Promise<void> {
  const options = combineOptions(given);
  if (options.against !== undefined) {
    const { againstCommand } = await import('./repro-against.js');
    return againstCommand(options.against, path, wanted, options, setExitCode);
  }
  if (path === undefined)
    throw new UsageError('the build context is missing', {
      hint: 'wiac repro PATH, or wiac repro --against IMAGE [PATH]',
    });
  await withStoreAsRoot(setExitCode, async (store) => {
    const { signal, dispose } = abortOnSignal();
    const repeats = (step: Step, { steps }: { readonly steps: readonly Step[] }) =>
      wanted.length === 0 ||
      wanted.some((each) => selects(each, step, stepNames(steps).get(step.id) ?? ''));
    try {
      const { onEvent, onRepeat } = progressOf(options);
      const { reports, build } = await reproduce(store, {
        ...(await buildRequest(path, options, signal)),
        onEvent: (event) => {
          // Before anything runs: a name that is mistyped must not cost a build.
          if (event.type === 'planned') requireSteps(wanted, event.steps);
          onEvent?.(event);
        },
        onRepeat,
        repeats,
        vary: getVary(options),
        times: options.mtime,
        explain: false,
      });
      const named = reports.map((report, index): NamedReport => {
        return { report, names: stepNames(build.platforms[index]?.plan.steps ?? []) };
      });
      process.stdout.write(options.json ? reproJson(named) : reproText(named));
      if (reports.some(({ first }) => first !== undefined)) setExitCode(NOT_REPRODUCIBLE);
    } finally {
      dispose();
    }
  });
}
