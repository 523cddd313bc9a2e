/** Declares what is about this machine: `wiac doctor`, `wiac completion`, and what shells ask. */
import { Argument, type Command } from 'commander';
import { SHELLS } from '../completion-scripts.js';
import type { SetExitCode } from './options.js';

/** wiac doctor */
export function addDoctor(program: Command, setExitCode: SetExitCode): void {
  program
    .command('doctor')
    .summary('say what this machine offers and lacks, and what mends it')
    .description(
      'Looks at the kernel, the sandbox, the store, the network and the logins. Exit code 1 when something is missing that builds need.',
    )
    .option('--json', 'as JSON', false)
    .action(async (options) =>
      (await import('../doctor-command.js')).doctorCommand(options, setExitCode),
    );
}

/** The command that the scripts of the shells call; help does not show it. */
export const COMPLETE = '__complete';

export function addCompletion(program: Command): void {
  program
    .command('completion')
    .summary('print a script that makes a shell complete what is typed')
    .description(
      'Prints a script for a shell: source <(wiac completion bash), or write it where the shell looks for such files.',
    )
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .action(async (shell: (typeof SHELLS)[number]) => {
      const { completionScript } = await import('../completion-scripts.js');
      process.stdout.write(completionScript(shell));
    });
  program
    .command(COMPLETE, { hidden: true })
    .argument('[words...]')
    .allowUnknownOption()
    .passThroughOptions()
    .helpOption(false)
    .action(async (words: string[]) => {
      const { completeCommand } = await import('../complete-command.js');
      await completeCommand(program, words);
    });
}
