/** Declares `wiac cache`. */
import { type Command, Option } from 'commander';
import { collect, type SetExitCode } from './options.js';

/** wiac cache export, import */
function addTransfer(cache: Command, setExitCode: SetExitCode): void {
  cache
    .command('export')
    .summary('write all entries with their layers to a file, for another machine')
    .argument('<file>', 'a tar archive of an OCI image layout; replaced if it is there')
    .addOption(
      new Option('--compression <type>', 'of layers that were not compressed before')
        .choices(['gzip', 'zstd'])
        .default('gzip'),
    )
    .option('--sign-key <file>', 'private key (ed25519, PEM) to sign the entries with')
    .action(async (file: string, options) =>
      (await import('../cache-transfer.js')).exportCommand(file, options, setExitCode),
    );
  cache
    .command('import')
    .summary('add the entries of a file that cache export wrote')
    .argument('<file>')
    .option(
      '--trust-key <file>',
      'public key (ed25519, PEM): refuse entries that it did not sign; can be given several times',
      collect,
      [],
    )
    .action(async (file: string, options) =>
      (await import('../cache-transfer.js')).importCommand(file, options, setExitCode),
    );
}

/** wiac cache */
export function addCache(program: Command, setExitCode: SetExitCode): void {
  const cache = program
    .command('cache')
    .summary('look into the cache')
    .description('Looks into the cache.');
  const format = () =>
    new Option('--format <format>', 'output format').choices(['table', 'json']).default('table');
  cache
    .command('ls')
    .summary('list the entries')
    .option('--filter <text>', 'only instructions that contain this text')
    .option('--older <age>', 'only entries made longer ago than this: 30s, 5m, 2h, 7d')
    .option('--newer <age>', 'only entries made since')
    .option('--unused <age>', 'only entries last used longer ago than this')
    .option('--larger <size>', 'only layers above this size: 500, 10k, 1M, 2G')
    .option('--smaller <size>', 'only layers below this size')
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
    .action(async (keys: string[]) => (await import('../cache.js')).removeCommand(keys));
  addTransfer(cache, setExitCode);
}
