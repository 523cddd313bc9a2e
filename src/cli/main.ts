/** The `wiac` command: finds the subcommand, turns errors into messages and exit codes. */
import { type Command, CommanderError } from 'commander';
import { PROGRESS_VARIABLE } from '../ui/progress.js';
import { InterruptedError, StoreError, WiacError } from '../util/errors.js';
import { asLimitError, requireOpenFiles } from '../util/open-files.js';
import { withSwitchValues } from './declare/options.js';
import { plainSwitches, valueGiven } from './declare/switches.js';
import { createProgram } from './program.js';
import type { ErrorForm } from './report.js';

/** The form in which everything is to be told, whatever else the command line says. */
function errorForm(program: Command): ErrorForm {
  const words = process.argv.slice(2);
  if (!['build', 'bake', 'compose'].includes(words[0] ?? '')) return 'text';
  const given = valueGiven(program, words, '--progress') ?? process.env[PROGRESS_VARIABLE] ?? '';
  if (given === 'github') return given;
  return ['json', 'rawjson'].includes(given) ? 'json' : 'text';
}

async function main(program: Command): Promise<void> {
  const words = plainSwitches(program, withSwitchValues(process.argv.slice(2)));
  await program.parseAsync(words, { from: 'user' });
}

// The reader of our output has closed it: `wiac cache ls | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

async function run(): Promise<void> {
  let exitCode = 0;
  const program = createProgram((code) => {
    exitCode = code;
  }, process.argv[2]);
  try {
    requireOpenFiles();
    await main(program);
    process.exitCode = exitCode;
  } catch (thrown) {
    const error = asLimitError(thrown) ?? thrown;
    if (error instanceof CommanderError) {
      // --help and --version end by throwing; they have printed what they had to say.
      process.exitCode = error.exitCode;
    } else if (error instanceof WiacError) {
      if (error instanceof StoreError) {
        const { runAgain } = await import('./run-again.js');
        const again = await runAgain(error);
        if (again !== undefined) {
          process.exitCode = again;
          return;
        }
      }
      const { reportError } = await import('./report.js');
      process.exitCode = await reportError(error, process.argv[2], errorForm(program));
      // After a signal wiac does not wait until the rest of the pipe is read.
      if (error instanceof InterruptedError) process.exit();
    } else {
      const { legibleStack } = await import('./legible-stack.js');
      const { stack = String(error) } = error as Error;
      process.stderr.write(`wiac: internal error: ${legibleStack(stack)}\n`);
      process.exitCode = 1;
    }
  }
}

void run();
