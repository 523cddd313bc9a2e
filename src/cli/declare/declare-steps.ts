/** Declares the commands that open files of finished steps: `wiac shell`, `wiac export`. */
import type { Command } from 'commander';
import { UsageError } from '../../util/errors.js';
import { lockOptions } from './declare-lock.js';
import { dockerfileOptions, isolationOption, runtimeOption, type SetExitCode } from './options.js';

/** How a step is named. */
export const STEP = "a step's id or name in wiac plan, or the beginning of its instruction";

const PATH = 'the build context, as of wiac build';
const LAST = `${STEP} (default: the last one)`;

/** Operands, and what stands behind `--`. @param words of the command line */
export function splitAtDashes(
  operands: readonly string[],
  words: readonly string[],
): { readonly own: readonly string[]; readonly command: readonly string[] } {
  const at = words.indexOf('--');
  const count = at === -1 ? 0 : words.length - at - 1;
  const own = operands.slice(0, operands.length - count);
  return { own, command: operands.slice(operands.length - count) };
}

/** wiac shell, export */
export function addSteps(program: Command, setExitCode: SetExitCode): void {
  lockOptions(dockerfileOptions(program.command('shell')))
    .summary('open a shell in the files of a finished step; nothing is built, or kept')
    .usage('[options] <path> [step] [-- command...]')
    .description(
      'Mounts the files that a step left, as the cache has them, and opens a shell there, or runs a command, with the environment, user and directory of the step. What it changes is thrown away. An image without a shell gets the static busybox of this machine, as /.wiac/busybox. The exit code is that of the program.',
    )
    .argument('<path>', PATH)
    .argument('[step]', LAST)
    .argument('[command...]', 'behind --: a program instead of a shell, with its arguments')
    .option('-u, --user <user[:group]>', 'names or numbers (default: USER of the step)')
    .addOption(isolationOption())
    .addOption(runtimeOption())
    .action(async (path: string, step: string | undefined, rest: readonly string[], options) => {
      const { shellCommand } = await import('../shell-command.js');
      const operands = [path, ...(step === undefined ? [] : [step]), ...rest];
      const { own, command } = splitAtDashes(operands, process.argv);
      const [context = path, wanted, ...others] = own;
      if (others.length > 0)
        throw new UsageError(`${others[0]}: a command stands behind --`, {
          hint: 'wiac shell PATH [STEP] [-- COMMAND...]',
        });
      await shellCommand(context, wanted, command, options, setExitCode);
    });
  lockOptions(dockerfileOptions(program.command('export')))
    .summary('write the files of a finished step into a directory or an archive')
    .description(
      'Writes what a step left, as the cache has it, merged with all below it. Nothing is built.',
    )
    .argument('<path>', PATH)
    .argument('[step]', LAST)
    .requiredOption(
      '-o, --output <dest>',
      'a directory, FILE.tar, - (an archive on standard output), or type=local|tar,dest=\nas of wiac build',
    )
    .action(async (path: string, step: string | undefined, options) => {
      const { exportCommand } = await import('../export-command.js');
      await exportCommand(path, step, options, setExitCode);
    });
}
