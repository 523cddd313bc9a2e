/** Declares commands about builds that are kept: `wiac log`, `report`, `ui`, `history builds`. */
import { type Command, InvalidArgumentError } from 'commander';
import { collect } from './collect.js';
import type { SetExitCode } from './options.js';

/** wiac log */
export function addLog(program: Command): void {
  program
    .command('log')
    .summary('show what the steps of a former build printed, or of one that runs')
    .description(
      'Shows a build that is kept as --progress=plain did. <build> is last (default), failed (the last\none that did), a directory (the last one of that project), or the beginning of an id; with ~1 it is the\none before that. <step> is a name in brackets, an id of wiac plan, or the beginning of an instruction.',
    )
    .argument('[build]')
    .argument('[step]')
    .option('--failed', 'only steps that failed, and the error', false)
    .option('-f, --follow', 'wait for more as long as the build runs', false)
    .option('-t, --timestamps', 'when each line was printed', false)
    .option('--json', 'the rows as they are kept, one a line', false)
    .action(async (build: string | undefined, step: string | undefined, options) =>
      (await import('../log-command.js')).logCommand(build, step, options),
    );
}

/** wiac report */
export function addReport(program: Command, setExitCode: SetExitCode): void {
  program
    .command('report')
    .summary('write the page of a build that is kept')
    .description(
      'Writes the page of a build that is kept, as wiac build --report does, and prints where it is. <build>\nis one of wiac log: last (default), failed, a directory, or the beginning of an id.',
    )
    .argument('[build]')
    .option(
      '-o, --output <file>',
      '- is standard output (default: wiac-report-ID.html in this directory)',
    )
    .action(async (build: string | undefined, options) =>
      (await import('../report-command.js')).reportCommand(build, options, setExitCode),
    );
}

function port(value: string): number {
  const number = Number(value);
  if (!/^\d+$/.test(value) || number > 65_535)
    throw new InvalidArgumentError('It must be a number up to 65535; 0 takes any that is free.');
  return number;
}

/** wiac ui */
export function addUi(program: Command, setExitCode: SetExitCode): void {
  program
    .command('ui')
    .summary('show builds while they run, and the store, in a browser')
    .description(
      'Serves a page to browsers of this machine, until Ctrl-C: the builds of this store, of whatever process,\nalso while they run; the entries of its cache, where files are in it, and what a prune would remove.\nPrints the address, which holds a token: who has it can read the store, and prune it.',
    )
    .option('--port <n>', 'port of 127.0.0.1 and ::1; 0: one that is free', port, 0)
    .option('--open', 'open it in the browser (xdg-open)', false)
    .action(async (options) => (await import('../ui-command.js')).uiCommand(options, setExitCode));
}

/** wiac history builds */
export function addHistoryBuilds(history: Command): void {
  history
    .command('builds')
    .summary('list the builds that are kept, newest first')
    .argument(
      '[path]',
      'only those of this project: the directory of the context or the Dockerfile',
    )
    .option(
      '--filter <name=value>',
      'only these: result=failed, target=STAGE, image=NAME:TAG, newer=AGE',
      collect,
      [],
    )
    .option('--json', 'all that is known of each, for programs', false)
    .action(async (path: string | undefined, options) =>
      (await import('../history-builds.js')).historyBuildsCommand(path, options),
    );
}
