/** Declares `wiac completion`, and what the shells ask. */
import { Argument, type Command } from 'commander';
import { SHELLS } from '../completion-scripts.js';

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
