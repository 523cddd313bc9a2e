/** The command line: commands, options, help. What a command does is in a file of its own. */
import { Command, type CommanderError, InvalidArgumentError, Option } from 'commander';
import { UsageError } from '../errors.js';
import { LOG_LEVELS } from '../ui/log.js';
import { PROGRESS_MODES } from '../ui/progress.js';
import { VERSION } from '../version.js';

/** Tells main which exit code the process should end with. */
export type SetExitCode = (code: number) => void;

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

function positiveInteger(value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 1)
    throw new InvalidArgumentError('It must be a whole number above 0.');
  return number;
}

/** Options of every command that reads a Dockerfile: everything that can change a key. */
function dockerfileOptions(command: Command): Command {
  return command
    .option('-f, --file <file>', 'the Dockerfile; - is standard input (default: PATH/Dockerfile)')
    .option('--target <stage>', 'build this stage instead of the last one')
    .option(
      '--build-arg <name=value>',
      'value of an ARG; without =value from the environment',
      collect,
      [],
    )
    .option(
      '--build-context <name=source>',
      'directory, docker-image://REF, oci-layout://DIR or target:STAGE for FROM and --from',
      collect,
      [],
    )
    .option('--add-host <name:address>', 'line for /etc/hosts of RUN steps', collect, [])
    .option('--shm-size <size>', 'size of /dev/shm of RUN steps (default: 64m)')
    .option(
      '--ulimit <name=soft:hard>',
      'resource limit of RUN steps, such as nofile=1024',
      collect,
      [],
    )
    .addOption(
      new Option('--network <mode>', 'network of RUN steps that ask for none in particular')
        .choices(['default', 'none', 'host'])
        .default('default'),
    )
    .addOption(
      new Option('--allow <entitlement...>', 'what RUN steps may ask for')
        .choices(['security.insecure', 'network.host'])
        .default([]),
    );
}

function isolationOption(): Option {
  return new Option(
    '--isolation <mode>',
    'namespaces: private mounts, processes, devices; chroot: only another root',
  )
    .choices(['namespaces', 'chroot'])
    .default('namespaces');
}

function logLevelOption(): Option {
  return new Option('--log-level <level>', "level of wiac's own log")
    .choices(LOG_LEVELS)
    .default('warn');
}

function addBuild(program: Command, setExitCode: SetExitCode): void {
  dockerfileOptions(program.command('build'))
    .summary('build a Dockerfile, print the lowerdir string of the result')
    .description(
      'Builds PATH/Dockerfile. Steps that the cache holds are not run. The lowerdir string of the\nresult, topmost layer first, is all that is printed on standard output.',
    )
    .argument('<path>', 'directory with the build context')
    .option('-t, --tag <name>', 'name for the result, can be given several times', collect, [])
    .option('--label <name=value>', 'label for the result, can be given several times', collect, [])
    .option('--no-cache', 'run every step; what it makes replaces what the cache had')
    .option('--no-cache-filter <stages>', 'like --no-cache, for these stages (names, commas)')
    .option(
      '--secret <id=name,src=file|env=variable>',
      'secret for RUN --mount=type=secret',
      collect,
      [],
    )
    .option('--ssh <id=socket>', 'ssh agent for RUN --mount=type=ssh', collect, [])
    .option('-q, --quiet', 'no progress, only the result and errors', false)
    .option('--iidfile <file>', 'write the id of the result to a file')
    .option(
      '--check',
      "print what BuildKit's linter rules say of the Dockerfile, build nothing",
      false,
    )
    .addOption(
      new Option('--format <format>', 'output format of --check')
        .choices(['text', 'json'])
        .default('text'),
    )
    .option(
      '-j, --jobs <n>',
      'steps to run at the same time (default: number of CPUs)',
      positiveInteger,
    )
    .addOption(
      new Option('--progress <mode>', 'how progress is shown')
        .choices(PROGRESS_MODES)
        .default('auto'),
    )
    .addOption(isolationOption())
    .addOption(logLevelOption())
    .action(async (path: string, options) => {
      const { buildCommand } = await import('./build.js');
      await buildCommand(path, options, setExitCode);
    });
}

function addPlan(program: Command): void {
  dockerfileOptions(program.command('plan'))
    .summary('show the steps of a Dockerfile, their keys, and what the cache has; run nothing')
    .argument('<path>', 'directory with the build context')
    .addOption(
      new Option('--format <format>', 'output format')
        .choices(['text', 'json', 'dot'])
        .default('text'),
    )
    .action(async (path: string, options) => {
      const { planCommand } = await import('./plan.js');
      await planCommand(path, options);
    });
}

function addRun(program: Command, setExitCode: SetExitCode): void {
  program
    .command('run')
    .summary('run a program in a stack of layers, or in an image by name')
    .usage(
      '[options] LOWERDIRS CONTAINERLAYER ENTRYPOINT [ARGUMENT...]\n       wiac run [options] NAME [CMD...]',
    )
    .description(
      'Mounts the lower directories (topmost first, separated by colons) with CONTAINERLAYER on top\nand runs the program in it; what it writes stays in CONTAINERLAYER. With the NAME of a build\n(wiac build -t NAME), runs CMD or the command of its config, and keeps nothing.',
    )
    .argument('<lowerdirs-or-name>')
    .argument('[arguments...]')
    .option(
      '-e, --env <name=value>',
      'set a variable; without =value it comes from the environment',
      collect,
      [],
    )
    .option('-w, --workdir <directory>', 'working directory in the container')
    .option('-u, --user <user[:group]>', 'names or numbers, as in USER')
    .option('--entrypoint <program>', 'run this instead of the ENTRYPOINT of the image')
    .option('--layer <directory>', 'keep what the program writes in this directory (with NAME)')
    .addOption(
      new Option('--network <mode>', 'network of the container')
        .choices(['host', 'none'])
        .default('host'),
    )
    .addOption(isolationOption())
    .passThroughOptions()
    .action(async (first: string, rest: string[], options) => {
      const { runCommand } = await import('./run.js');
      setExitCode(await runCommand(first, rest, options));
    });
}

function addImages(program: Command, setExitCode: SetExitCode): void {
  program
    .command('pull')
    .summary('fetch an image from a registry, an OCI layout or an archive')
    .argument(
      '<reference>',
      'such as debian:12, host:5000/name:tag, oci-layout://DIR:NAME, docker-archive:FILE',
    )
    .option('-t, --tag <name>', 'name to keep it under (default: the reference)')
    .action(async (reference: string, options) => {
      await (await import('./images.js')).pullCommand(reference, options, setExitCode);
    });
  program
    .command('push')
    .summary('write an image to a registry, an OCI layout or an archive')
    .argument('<name>', 'name or id of an image')
    .argument(
      '<reference>',
      'where to: host:5000/name:tag, oci-layout://DIR:NAME, oci-archive:FILE, docker-archive:FILE',
    )
    .action(async (name: string, reference: string) => {
      await (await import('./images.js')).pushCommand(name, reference, setExitCode);
    });
  program
    .command('images')
    .summary('list the images that have a name')
    .addOption(
      new Option('--format <format>', 'output format').choices(['table', 'json']).default('table'),
    )
    .action(async (options) => (await import('./images.js')).imagesCommand(options));
}

function addCopy(program: Command): void {
  program
    .command('copy')
    .summary('copy files into a layer directory')
    .usage('[options] LAYERDIR SRC... DST')
    .description(
      'Copies files and the content of directories to DST in LAYERDIR, which is made if need be.\nSeveral sources, a DST with a slash at its end or an existing directory: into that directory.',
    )
    .argument('<layerdir>')
    .argument('<paths...>', 'sources of this machine, then the destination in the layer')
    .option('--libs', 'add the dynamic linker and every shared library the programs need', false)
    .action(async (layerdir: string, paths: string[], options) => {
      const { copyCommand } = await import('./copy.js');
      await copyCommand(layerdir, paths, options);
    });
}

function addCache(program: Command): void {
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
    .action(async (options) => (await import('./cache.js')).listCommand(options));
  cache
    .command('show')
    .summary('show what went into a key, and the files of its layer')
    .argument('<key>', 'key, or its beginning')
    .addOption(format())
    .action(async (key: string, options) => (await import('./cache.js')).showCommand(key, options));
  cache
    .command('du')
    .summary('show how much space the cache takes')
    .addOption(format())
    .action(async (options) => (await import('./cache.js')).usageCommand(options));
  cache
    .command('rm')
    .summary('remove entries, and layers that nobody needs then')
    .argument('<keys...>', 'keys, or their beginnings')
    .action(async (keys: string[]) => (await import('./cache.js')).removeCommand(keys));
}

/** The whole command line. @param setExitCode called by commands that end with a code of their own */
export function createProgram(setExitCode: SetExitCode): Command {
  const program = new Command('wiac')
    .description('What is a container: builds Dockerfiles without a daemon, and shows its cache.')
    .version(VERSION)
    .enablePositionalOptions()
    .configureOutput({ writeErr: () => {} })
    .exitOverride((error: CommanderError) => {
      if (error.exitCode === 0) throw error;
      throw new UsageError(error.message.replace(/^error: /, ''), {
        hint: 'wiac --help shows the commands, wiac COMMAND --help their options',
      });
    });
  addBuild(program, setExitCode);
  addRun(program, setExitCode);
  addCopy(program);
  addImages(program, setExitCode);
  addPlan(program);
  addCache(program);
  for (const command of program.commands) inheritSettings(program, command);
  return program;
}

/** Commands made with .command() copy settings of their parent at that time; exitOverride too. */
function inheritSettings(parent: Command, command: Command): void {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) inheritSettings(command, child);
}
