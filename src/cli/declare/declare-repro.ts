/** Declares `wiac repro`. */
import { type Command, InvalidArgumentError } from 'commander';
import type { Variable } from '../../repro/repro-report.js';
import { VARIABLES } from '../../repro/repro-report.js';
import { limitOptions } from './declare-limits.js';
import { lockOptions } from './declare-lock.js';
import { timeOptions } from './declare-result.js';
import { inputOptions } from './input-options.js';
import {
  dockerfileOptions,
  isolationOption,
  positiveInteger,
  runtimeOption,
  type SetExitCode,
} from './options.js';

/** Names with commas, or the option again. @throws InvalidArgumentError */
function collectVariables(value: string, before: readonly Variable[] = []): readonly Variable[] {
  const known = (name: string): name is Variable => (VARIABLES as readonly string[]).includes(name);
  const names = value.split(',').map((name) => name.trim());
  if (!names.every(known)) throw new InvalidArgumentError(`Allowed are ${VARIABLES.join(', ')}.`);
  return [...before, ...names.filter(known)];
}

/** Its own options, before those of a build. */
function ownOptions(command: Command): Command {
  return command
    .summary('run the RUN steps of a Dockerfile twice, say which make other files, and why')
    .description(
      'Runs each RUN step a second time, on the layers on which it ran first, and\ncompares the results file by file. What is in the cache is the first run;\nnothing of the second one stays. The exit code is 13 when they differ.',
    )
    .argument('[path]', 'the build context, as of wiac build')
    .argument('[steps...]', "only these: ids or names in wiac plan, or the instruction's beginning")
    .option(
      '--against <image>',
      'build this image anew from its provenance (mode=max) and PATH, and compare its layers',
    )
    .option('--json', 'what was found, for programs', false)
    .option(
      '--vary <what>',
      'make this differ as well: umask, locale (LANG, LC_ALL and TZ)',
      collectVariables,
    )
    .option(
      '--same <what>',
      'do not make this differ: pids, hostname, order (of directories), cpus',
      collectVariables,
    )
    .option('--mtime', 'the time at which a step writes a file counts as well', false)
    .option('-q, --quiet', 'no progress, only the result and errors', false)
    .option('--no-cache', 'run every step anew for the first time, too');
}

/** wiac repro */
export function addRepro(program: Command, setExitCode: SetExitCode): void {
  const command = timeOptions(lockOptions(dockerfileOptions(ownOptions(program.command('repro')))));
  inputOptions(command)
    .option('-j, --jobs <n>', 'steps to run at the same time', positiveInteger)
    .addOption(isolationOption())
    .addOption(runtimeOption());
  limitOptions(command).action(
    async (path: string | undefined, steps: readonly string[], options) => {
      const { reproCommand } = await import('../repro-command.js');
      await reproCommand(path, steps, options, setExitCode);
    },
  );
}
