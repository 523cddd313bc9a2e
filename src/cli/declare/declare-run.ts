/** Declares `wiac run` and `wiac copy`. */
import { type Command, Option } from 'commander';
import { collect } from './collect.js';
import { limitOptions } from './declare-limits.js';
import { USAGES } from './declare-usage.js';
import { IMAGES, THE_PROGRAM } from './help-groups.js';
import { idleRunOptions } from './idle-run-options.js';
import {
  isolationOption,
  requireSignedOption,
  runtimeOption,
  type SetExitCode,
} from './options.js';

/** Options of docker run and podman run about who the program is and what it is given. */
function programOptions(command: Command): Command {
  return command
    .option('-i, --interactive', 'pass standard input on (always on)', false)
    .option('-t, --tty', 'give the program a terminal, even when wiac has none', false)
    .addOption(
      new Option(
        '-e, --env <name=value>',
        'set a variable; without =value it comes from the environment',
      )
        .argParser(collect)
        .default([])
        .helpGroup(THE_PROGRAM),
    )
    .option('--env-file <file>', 'set the variables of a file: lines of NAME=VALUE', collect, [])
    .option('-w, --workdir <directory>', 'working directory in the container, made if need be')
    .option('-u, --user <user[:group]>', 'names or numbers, as in USER')
    .option('--group-add <group>', 'a further group, name or number', collect, [])
    .option('--entrypoint <program>', "run this instead of the image's ENTRYPOINT; '' is none")
    .option('--layer <directory>', 'keep what the program writes, as CONTAINERLAYER (with NAME)')
    .option('--rm', 'keep nothing of a run of an image (always on)', false)
    .option('--init', 'a process 1 that waits for orphans and passes signals on', false);
}

/** About the container's files. */
function fileOptions(command: Command): Command {
  return command
    .option('-v, --volume <source:target[:ro]>', 'show a directory or file there', collect, [])
    .option(
      '--mount <spec>',
      'type=bind,src=,dst=,readonly or type=tmpfs,dst=,tmpfs-size=,tmpfs-mode=',
      collect,
      [],
    )
    .option('--tmpfs <target[:options]>', 'an empty directory in memory', collect, [])
    .option('--read-only', 'make the root read-only; mounts stay writable', false)
    .option('--device <path[:path]>', 'a device of this machine, below /dev', collect, [])
    .option('--shm-size <size>', 'size of /dev/shm (default: 64m)');
}

function networkMode(flags: string): Option {
  return new Option(flags, 'network of the container').choices(['host', 'none', 'private']);
}

/** About what the container is called, and what it reaches. */
function networkOptions(command: Command): Command {
  return command
    .addOption(networkMode('--network <mode>').default('host'))
    .addOption(networkMode('--net <mode>').hideHelp())
    .option('-h, --hostname <name>', "its host name (default: this machine's)")
    .option('--add-host <name:address>', 'line for /etc/hosts', collect, [])
    .option('--dns <address>', 'name server in /etc/resolv.conf', collect, [])
    .option('--dns-search <domain>', 'search domain in /etc/resolv.conf', collect, [])
    .option('--dns-option <option>', 'option in /etc/resolv.conf', collect, [])
    .option('-p, --publish <port:port>', 'changes nothing: the ports are open', collect, [])
    .addOption(new Option('-P, --publish-all').default(false).hideHelp());
}

/** About what the program may do. */
function rightsOptions(command: Command): Command {
  return command
    .option('--cap-add <capability>', 'such as NET_ADMIN, or ALL', collect, [])
    .option('--cap-drop <capability>', 'such as NET_RAW, or ALL', collect, [])
    .option(
      '--security-opt <option>',
      'no-new-privileges, seccomp=unconfined or seccomp=FILE',
      collect,
      [],
    )
    .option('--privileged', 'all capabilities, all devices, /sys to be written to', false)
    .option('--ulimit <name=soft:hard>', 'resource limit, such as nofile=1024', collect, []);
}

/** Options that are refused with a reason, unless they say the usual, and those that change nothing. */
function otherOptions(command: Command): Command {
  const values = ['--link', '--volumes-from', '--sysctl'];
  const value = ['--restart', '--gpus', '--ipc', '--pid', '--uts', '--userns'];
  const options = [
    new Option('-d, --detach').default(false),
    ...values.map((name) => new Option(`${name} <value>`).argParser(collect).default([])),
    ...[...value, '--cgroupns'].map((name) => new Option(`${name} <value>`)),
  ];
  for (const option of options) command.addOption(option.hideHelp());
  for (const option of idleRunOptions()) command.addOption(option);
  return command;
}

/** wiac run */
export function addRun(program: Command, setExitCode: SetExitCode): void {
  const command = program
    .command('run')
    .summary('run a program in a stack of layers, or in an image by name')
    .usage(`[options] ${USAGES.run}\n       wiac run [options] NAME|REF [CMD...]`)
    .description(
      'Mounts the lower directories (topmost first, separated by colons) with CONTAINERLAYER/diff on top and runs the program in it; what it writes stays there, and CONTAINERLAYER/diff can be a lower directory of the next run. With the NAME of a build (wiac build -t NAME) or any reference that wiac pull takes, runs CMD or the command of its config, and keeps nothing; what the store lacks is pulled first. Options are those of docker run, in the foreground.',
    )
    .argument('<lowerdirs-or-name>')
    .argument('[arguments...]')
    // -h is --hostname, as with docker.
    .helpOption('--help', 'display help for command');
  for (const declare of [programOptions, fileOptions, networkOptions, rightsOptions, limitOptions])
    declare(command);
  otherOptions(command)
    .addOption(
      new Option('--pull <when>', 'ask where the image comes from')
        .choices(['always', 'missing', 'never'])
        .default('missing'),
    )
    .addOption(requireSignedOption())
    .option('-q, --quiet', 'print nothing while an image is pulled', false)
    .addOption(
      new Option(
        '--platform <platform>',
        "os/architecture[/variant] (default: this machine's)",
      ).helpGroup(IMAGES),
    )
    .addOption(isolationOption())
    .addOption(runtimeOption())
    .passThroughOptions()
    .action(async (first: string, rest: string[], options) => {
      const { runCommand } = await import('../run-command.js');
      setExitCode(await runCommand(first, rest, options));
    });
}

/** wiac copy */
export function addCopy(program: Command): void {
  program
    .command('copy')
    .summary('copy files into a layer directory')
    .usage(`[options] ${USAGES.copy}`)
    .description(
      'Copies files and the content of directories to DST in LAYERDIR/diff, which is made if need be.\nSeveral sources, a DST with a slash at its end or an existing directory: into that directory.',
    )
    .argument('<layerdir>', 'made if need be, with diff in it')
    .argument('<paths...>', 'sources of this machine, then the destination in the layer')
    .option('--libs', 'add the dynamic linker and every shared library the programs need', false)
    .action(async (layerdir: string, paths: string[], options) => {
      const { copyCommand } = await import('../copy.js');
      await copyCommand(layerdir, paths, options);
    });
}
