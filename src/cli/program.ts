/** The command line. Commands are declared in declare/; what a command does is in a file of its own. */
import { Command, type CommanderError } from 'commander';
import { UsageError } from '../util/errors.js';
import { requireProc } from '../util/proc-mount.js';
import { VERSION } from '../util/version.js';
import { addBake, addCompose } from './declare/declare-bake.js';
import { addBuild, addPlan, addWhy } from './declare/declare-build.js';
import { addCache } from './declare/declare-cache.js';
import { addContents } from './declare/declare-contents.js';
import { addLog, addReport, addUi } from './declare/declare-history.js';
import { addImages } from './declare/declare-images.js';
import { addImagetools } from './declare/declare-imagetools.js';
import { addLock } from './declare/declare-lock.js';
import { addLogin } from './declare/declare-login.js';
import { addCompletion, addDoctor } from './declare/declare-machine.js';
import { addWorker, addWorkers } from './declare/declare-queue.js';
import { addRepro } from './declare/declare-repro.js';
import { addCopy, addRun } from './declare/declare-run.js';
import { addSignatures } from './declare/declare-signatures.js';
import { addSteps } from './declare/declare-steps.js';
import { getUsage } from './declare/declare-usage.js';
import { HELP_LAYOUT, helpColumns } from './declare/help-groups.js';
import type { SetExitCode } from './declare/options.js';
import { insteadOfCommand } from './declare/other-commands.js';
import { insteadOf } from './declare/refused.js';

/** What needs no other command, whose declarations would take longer than many a step's look-up. */
const ALONE = ['build', '--version'];

/**
 * The command line.
 * @param setExitCode called by commands that end with a code of their own
 * @param wanted the first word that was given; some come without the other commands
 */
export function createProgram(setExitCode: SetExitCode, wanted?: string): Command {
  const program = new Command('wiac')
    .description('What is a container: builds Dockerfiles without a daemon, and shows its cache.')
    .version(VERSION)
    .enablePositionalOptions()
    .configureOutput({
      writeErr: () => {},
      getOutHelpWidth: () => helpColumns(process.stdout.columns),
    })
    .configureHelp(HELP_LAYOUT)
    .exitOverride((error: CommanderError) => {
      if (error.exitCode === 0) throw error;
      // Its message is "(outputHelp)": commander shows the help instead.
      const missing = error.code === 'commander.help';
      const [, flag = ''] = /unknown option '([^']*)'/.exec(error.message) ?? [];
      const command = wanted === undefined || wanted.startsWith('-') ? '' : wanted;
      const hint = insteadOf(command, flag);
      if (hint !== undefined)
        throw new UsageError(`${`wiac ${command}`.trim()} has no ${flag.replace(/=.*$/s, '')}`, {
          hint,
        });
      const [, unknown = ''] = /unknown command '([^']*)'/.exec(error.message) ?? [];
      const instead =
        unknown === '' ? undefined : insteadOfCommand(wanted, unknown, program.args[1]);
      // Without commander's guess, which is a name of similar letters.
      if (instead !== undefined)
        throw new UsageError(`there is no command ${unknown}`, { hint: instead });
      const message = missing ? 'the command is missing' : error.message.replace(/^error: /, '');
      const operands = ['commander.missingArgument', 'commander.excessArguments'];
      const usage = operands.includes(error.code) ? getUsage(wanted) : undefined;
      throw new UsageError(message, {
        hint: usage ?? 'wiac --help shows the commands, wiac COMMAND --help their options',
      });
    });
  // Before what a command does, and after --help and --version, which need nothing.
  program.hook('preAction', requireProc);
  addBuild(program, setExitCode);
  if (wanted === undefined || !ALONE.includes(wanted)) addOthers(program, setExitCode);
  for (const command of program.commands) inheritSettings(program, command);
  return program;
}

function addOthers(program: Command, setExitCode: SetExitCode): void {
  addBake(program, setExitCode);
  addCompose(program, setExitCode);
  addRun(program, setExitCode);
  addCopy(program);
  addLog(program);
  addReport(program, setExitCode);
  addUi(program, setExitCode);
  addImages(program, setExitCode);
  addImagetools(program);
  addSignatures(program);
  addContents(program, setExitCode);
  addLogin(program);
  addPlan(program, setExitCode);
  addLock(program, setExitCode);
  addWhy(program, setExitCode);
  addSteps(program, setExitCode);
  addRepro(program, setExitCode);
  addCache(program, setExitCode);
  addWorker(program, setExitCode);
  addWorkers(program);
  addDoctor(program, setExitCode);
  addCompletion(program);
}

/** Commands made with .command() copy settings of their parent at that time; exitOverride too. */
function inheritSettings(parent: Command, command: Command): void {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) inheritSettings(command, child);
}
