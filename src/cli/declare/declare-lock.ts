/** Declares `wiac lock`, and what `wiac build` does with a lock file. */
import { type Command, Option } from 'commander';
import { OTHER_OPTIONS } from './help-groups.js';
import { dockerfileOptions, type SetExitCode } from './options.js';

/** wiac lock */
export function addLock(program: Command, setExitCode: SetExitCode): void {
  dockerfileOptions(program.command('lock'))
    .summary('write Dockerfile.lock: the digests of all that a build takes from the network')
    .description(
      'Writes the lock file beside the Dockerfile (X.lock for -f X): the digest of every image, the commit of every repository, the checksum of every file that ADD fetches. A build takes exactly these. What is in the lock file stays, what is missing is added. Without --target, --build-arg and --build-context every stage is looked at, and what nothing uses is left out.',
    )
    .argument('<path>', 'directory with the build context')
    .argument('[names...]', 'with --update: only these images and URLs')
    .option('--update', 'ask again what everything in it is now', false)
    .option('--outdated', 'say what is not what it was, change nothing; exit code 1 then', false)
    .addOption(
      new Option('--check', 'is it complete and current? Asks nobody; exit code 1 when it is not')
        .default(false)
        .helpGroup(OTHER_OPTIONS),
    )
    .option('--json', 'the result as JSON', false)
    .action(async (path: string, names: readonly string[], options) => {
      const { lockCommand } = await import('../lock-command.js');
      await lockCommand(path, names, options, setExitCode);
    });
}

/** --lock, --locked and --hermetic, for what builds. */
export function lockOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--lock <mode>',
        'the lock file beside the Dockerfile: use (default), ignore, update, or update=NAME,...',
      ),
    )
    .option('--no-lock', 'as --lock=ignore')
    .option('--locked', 'an input that is not in the lock file is an error')
    .option('--frozen', 'as --locked')
    .option('--hermetic', 'no RUN has a network but those in allow-network of the lock file');
}
