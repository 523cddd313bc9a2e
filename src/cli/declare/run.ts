/** Declares `wiac run` and `wiac copy`. */
import { type Command, Option } from 'commander';
import { collect } from './collect.js';
import { isolationOption, type SetExitCode } from './options.js';

/** wiac run */
export function addRun(program: Command, setExitCode: SetExitCode): void {
  program
    .command('run')
    .summary('run a program in a stack of layers, or in an image by name')
    .usage(
      '[options] LOWERDIRS CONTAINERLAYER ENTRYPOINT [ARGUMENT...]\n       wiac run [options] NAME|REF [CMD...]',
    )
    .description(
      'Mounts the lower directories (topmost first, separated by colons) with CONTAINERLAYER on top\nand runs the program in it; what it writes stays in CONTAINERLAYER. With the NAME of a build\n(wiac build -t NAME) or any reference that wiac pull takes, runs CMD or the command of its config,\nand keeps nothing; what the store lacks is pulled first.',
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
    .addOption(
      new Option('--pull <when>', 'ask where the image comes from')
        .choices(['always', 'missing', 'never'])
        .default('missing'),
    )
    .option('--platform <platform>', "os/architecture[/variant] (default: this machine's)")
    .addOption(isolationOption())
    .passThroughOptions()
    .action(async (first: string, rest: string[], options) => {
      const { runCommand } = await import('../run.js');
      setExitCode(await runCommand(first, rest, options));
    });
}

/** wiac copy */
export function addCopy(program: Command): void {
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
      const { copyCommand } = await import('../copy.js');
      await copyCommand(layerdir, paths, options);
    });
}
