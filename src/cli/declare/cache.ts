/** Declares `wiac cache`. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { SetExitCode } from './options.js';

function days(value: string): number {
  const number = Number(value);
  if (value === '' || !Number.isFinite(number) || number < 0)
    throw new InvalidArgumentError('It must be a number of days.');
  return number;
}

/** Options that select entries. */
function filterOptions(command: Command): Command {
  return command
    .option('--filter <text>', 'only instructions that contain this text')
    .option('--older <age>', 'only entries made longer ago than this: 30s, 5m, 2h, 7d')
    .option('--newer <age>', 'only entries made since')
    .option('--unused <age>', 'only entries last used longer ago than this')
    .option('--larger <size>', 'only layers above this size: 500, 10k, 1M, 2G')
    .option('--smaller <size>', 'only layers below this size');
}

/** wiac cache prune */
function addPrune(cache: Command, format: () => Option, setExitCode: SetExitCode): void {
  filterOptions(cache.command('prune'))
    .summary('remove what is worth least, and garbage')
    .description(
      'Removes entries with their layers, images without a name, pulled layers, compressed layers and,\nby age or with --all, cache mounts. What a named image or a running process needs stays. Without\noptions it does what the config file says.',
    )
    .option(
      '--keep-bytes <size>',
      'remove until the cache takes no more than this, worth least first',
    )
    .option('--keep-days <n>', 'keep what was used within so many days', days)
    .option('-a, --all', 'remove everything that may go, cache mounts as well', false)
    .option('--dry-run', 'only print what would go', false)
    .addOption(format())
    .action(async (options) => (await import('../prune.js')).pruneCommand(options, setExitCode));
}

/** wiac cache */
export function addCache(program: Command, setExitCode: SetExitCode): void {
  const cache = program
    .command('cache')
    .summary('look into the cache, and bound it')
    .description('Looks into the cache, and removes from it.');
  const format = () =>
    new Option('--format <format>', 'output format').choices(['table', 'json']).default('table');
  filterOptions(cache.command('ls'))
    .summary('list the entries')
    .addOption(format())
    .action(async (options) => (await import('../cache.js')).listCommand(options));
  cache
    .command('show')
    .summary('show what went into a key, and the files of its layer')
    .argument('<key>', 'key, or its beginning')
    .addOption(format())
    .action(async (key: string, options) =>
      (await import('../cache.js')).showCommand(key, options),
    );
  cache
    .command('du')
    .summary('show how much space the cache takes')
    .addOption(format())
    .action(async (options) => (await import('../cache.js')).usageCommand(options));
  cache
    .command('rm')
    .summary('remove entries, and layers that nobody needs then')
    .argument('<keys...>', 'keys, or their beginnings')
    .action(async (keys: string[]) =>
      (await import('../cache.js')).removeCommand(keys, setExitCode),
    );
  addPrune(cache, format, setExitCode);
}
