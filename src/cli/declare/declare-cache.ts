/** Declares `wiac cache`. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { collect } from './collect.js';
import { registryOptions } from './declare-registry.js';
import type { SetExitCode } from './options.js';

function days(value: string): number {
  const number = Number(value);
  if (value === '' || !Number.isFinite(number) || number < 0)
    throw new InvalidArgumentError('It must be a number of days.');
  return number;
}

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
    .argument('<file>', 'what wiac cache export wrote')
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

/** wiac cache gc */
function addGc(cache: Command): void {
  registryOptions(cache.command('gc'))
    .summary('remove from a shared cache what nobody used')
    .description(
      'Removes entries from a shared cache, those first that were not used for long. <cache> is written as\nin --cache-to: the reference of a registry, type=local,dest=DIR, type=s3,... or type=gha. A registry\nfrees blobs that no manifest names by itself, GitHub what was not used for a week; those of a\ndirectory go when they are a day old.',
    )
    .argument('<cache>')
    .option('--max-age <age>', 'entries not used for so long go: 30d (default), 12h')
    .option('--max-entries <number>', 'so many stay, those used last (default: 10000)')
    .option('--sign-key <file>', 'private key (ed25519, PEM) of a cache that is signed')
    .action(async (name: string, options) =>
      (await import('../cache-gc.js')).gcCommand(name, options),
    );
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
    .action(async (options) =>
      (await import('../prune-command.js')).pruneCommand(options, setExitCode),
    );
}

/** wiac cache mounts */
function addMounts(cache: Command, format: () => Option, setExitCode: SetExitCode): void {
  const mounts = cache
    .command('mounts')
    .summary('list cache mounts, remove them, and let them travel')
    .description(
      'Cache mounts (RUN --mount=type=cache) of this store, and of shared caches. <cache> is written\nas in --cache-to and --cache-from: type=local,dest=DIR (src=DIR to read), type=s3,..., or the\nreference of a registry. [ids...] are ids of mounts, or beginnings of their names; none: all.',
    );
  registryOptions(mounts.command('ls'))
    .summary('list the cache mounts of this store, or of a shared cache')
    .argument('[cache]', 'as in --cache-from')
    .addOption(format())
    .action(async (from: string | undefined, options) =>
      (await import('../mounts-command.js')).listMountsCommand(from, options),
    );
  registryOptions(mounts.command('export'))
    .summary('write cache mounts into a shared cache, whose entries stay')
    .argument('<cache>', 'as in --cache-to')
    .argument('[ids...]')
    .action(async (to: string, ids: string[], options) =>
      (await import('../mounts-command.js')).exportMountsCommand(to, ids, options, setExitCode),
    );
  registryOptions(mounts.command('import'))
    .summary('bring cache mounts of a shared cache here; those that are here are kept')
    .argument('<cache>', 'as in --cache-from')
    .argument('[ids...]')
    .option('--replace', 'take the place of those that are here', false)
    .action(async (from: string, ids: string[], options) =>
      (await import('../mounts-command.js')).importMountsCommand(from, ids, options, setExitCode),
    );
  mounts
    .command('rm')
    .summary('remove cache mounts that no build uses')
    .argument('<ids...>', 'ids of mounts, or beginnings of their names')
    .action(async (ids: string[]) =>
      (await import('../mounts-command.js')).removeMountsCommand(ids, setExitCode),
    );
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
    .addOption(
      new Option('--sort <column>', 'largest, newest or longest first')
        .choices(['created', 'used', 'size', 'time', 'hits'])
        .default('created'),
    )
    .option('-r, --reverse', 'the other way round', false)
    .option('-q, --quiet', 'only the keys', false)
    .addOption(format())
    .action(async (options) => (await import('../cache-command.js')).listCommand(options));
  cache
    .command('show')
    .summary('show what went into a key, and the files of its layer')
    .argument('<key>', 'key, or its beginning')
    .addOption(format())
    .action(async (key: string, options) =>
      (await import('../cache-command.js')).showCommand(key, options, setExitCode),
    );
  cache
    .command('tree')
    .summary('show the entries as they were built on each other')
    .addOption(format())
    .action(async (options) => (await import('../cache-tree.js')).treeCommand(options));
  cache
    .command('diff')
    .summary('compare what went into two keys, and the files of their layers')
    .argument('<key1>', 'key, or its beginning')
    .argument('<key2>', 'key, or its beginning')
    .addOption(format())
    .action(async (key1: string, key2: string, options) =>
      (await import('../cache-diff.js')).diffCommand(key1, key2, options, setExitCode),
    );
  cache
    .command('find')
    .summary('show which layers hold a file, and in which version')
    .argument('<path-or-digest>', 'path in the image, with wildcards, or digest of the content')
    .addOption(format())
    .action(async (wanted: string, options) =>
      (await import('../cache-find.js')).findCommand(wanted, options, setExitCode),
    );
  cache
    .command('du')
    .summary('show how much space the cache takes')
    .addOption(format())
    .action(async (options) => (await import('../cache-command.js')).usageCommand(options));
  cache
    .command('verify')
    .summary('compare layers and index with their digests; exit code 7 when something is damaged')
    .description(
      'Reads every layer and checks the index. Layers without a digest get one. Garbage that only\ntakes space is shown, but is no damage. Nothing is removed without --repair, and nothing at all\nwhile another process has the store open.',
    )
    .argument('[keys...]', 'only these entries and their layers (keys, or their beginnings)')
    .option(
      '--deep',
      'read the compressed blobs as well, and compare them with their layers',
      false,
    )
    .option('--repair', 'drop what is damaged, and garbage', false)
    .addOption(format())
    .action(async (keys: string[], options) =>
      (await import('../verify-command.js')).verifyCommand(keys, options, setExitCode),
    );
  cache
    .command('rm')
    .summary('remove entries, and layers that nothing needs then')
    .argument('<keys...>', 'keys, or their beginnings')
    .action(async (keys: string[]) =>
      (await import('../cache-command.js')).removeCommand(keys, setExitCode),
    );
  addGc(cache);
  addPrune(cache, format, setExitCode);
  addTransfer(cache, setExitCode);
  addMounts(cache, format, setExitCode);
}
