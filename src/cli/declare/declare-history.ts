/** Declares `wiac log` and `wiac history builds`. */
import type { Command } from 'commander';
import { collect } from './collect.js';

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
