/** The `wiac` command: finds the subcommand, turns errors into messages and exit codes. */
import { CommanderError } from 'commander';
import { InterruptedError, StoreError, WiacError } from '../errors.js';
import { asLimitError, requireOpenFiles } from '../open-files.js';
import { withSwitchValues } from './declare/options.js';
import { createProgram } from './program.js';

async function main(): Promise<number> {
  let exitCode = 0;
  const program = createProgram((code) => {
    exitCode = code;
  }, process.argv[2]);
  await program.parseAsync(withSwitchValues(process.argv));
  return exitCode;
}

// Whoever reads our output has seen enough: `wiac cache ls | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

async function run(): Promise<void> {
  try {
    requireOpenFiles();
    process.exitCode = await main();
  } catch (thrown) {
    const error = asLimitError(thrown) ?? thrown;
    if (error instanceof CommanderError) {
      // --help and --version end by throwing; they have printed what they had to say.
      process.exitCode = error.exitCode;
    } else if (error instanceof WiacError) {
      if (error instanceof StoreError) {
        const { runAgain } = await import('./run-again.js');
        const exitCode = await runAgain(error);
        if (exitCode !== undefined) {
          process.exitCode = exitCode;
          return;
        }
      }
      const { reportError } = await import('./report.js');
      process.exitCode = await reportError(error, process.argv.slice(2));
      // Whoever stops wiac does not wait until somebody reads what is still in the pipe.
      if (error instanceof InterruptedError) process.exit();
    } else {
      process.stderr.write(`wiac: internal error: ${(error as Error).stack ?? error}\n`);
      process.exitCode = 1;
    }
  }
}

void run();
