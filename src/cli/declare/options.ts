/** Options that several commands share, and how their values are read. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { LOG_FORMATS, LOG_LEVELS } from '../../ui/log.js';

/** Tells main which exit code the process should end with. */
export type SetExitCode = (code: number) => void;

/** Collects the values of an option that can be given several times. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

const ENTITLEMENTS = ['security.insecure', 'network.host'];

function collectEntitlements(value: string, before: readonly string[] = []): string[] {
  const given = value.split(',');
  if (!given.every((item) => ENTITLEMENTS.includes(item)))
    throw new InvalidArgumentError(`Allowed are ${ENTITLEMENTS.join(' and ')}.`);
  return [...before, ...given];
}

/** Options whose value may be left out; commander would take the word after them for it. */
const SWITCHES = ['--provenance', '--sbom', '--prefer-index'];

/** What is a value of theirs when it stands alone, as docker takes it, and hardly a directory. */
const SWITCH_VALUE = /^(?:true|false|(?:mode|version|generator|disabled)=.*)$/;

/** A command line in which every such option has its value; what a container runs is left alone. */
export function withSwitchValues(argv: readonly string[]): string[] {
  if (!['build', 'imagetools'].includes(argv[2] ?? '')) return [...argv];
  return argv.map((word, at) => {
    const hasValue = SWITCH_VALUE.test(argv[at + 1] ?? '');
    return SWITCHES.includes(word) && !hasValue ? `${word}=true` : word;
  });
}

/** @throws InvalidArgumentError */
export function positiveInteger(value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 1)
    throw new InvalidArgumentError('It must be a whole number above 0.');
  return number;
}

/** Options of every command that reads a Dockerfile: everything that can change a key. */
export function dockerfileOptions(command: Command): Command {
  return command
    .option(
      '-f, --file <file>',
      'the Dockerfile; - is standard input, or a URL (default: Dockerfile of the context)',
    )
    .option('--target <stage>', 'build this stage instead of the last one')
    .option('--platform <platform>', "os/architecture[/variant] (default: this machine's)")
    .option('--pull', 'look base images up where they come from, not in the store first', false)
    .option(
      '--build-arg <name=value>',
      'value of an ARG; without =value from the environment',
      collect,
      [],
    )
    .option(
      '--build-context <name=source>',
      'directory, archive, URL, repository, docker-image://REF, oci-layout://DIR or\ntarget:STAGE for FROM and --from',
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
    .option(
      '--allow <entitlement>',
      'what RUN steps may ask for: security.insecure, network.host',
      collectEntitlements,
      [],
    );
}

/** --isolation */
export function isolationOption(): Option {
  return new Option(
    '--isolation <mode>',
    'namespaces: private mounts, processes, devices; chroot: only another root',
  )
    .choices(['namespaces', 'chroot'])
    .default('namespaces');
}

/** --log-level */
export function logLevelOption(): Option {
  return new Option('--log-level <level>', 'error and silent leave warnings out')
    .choices(LOG_LEVELS)
    .default('warn');
}

/** --log-format */
export function logFormatOption(): Option {
  return new Option(
    '--log-format <format>',
    "warnings as lines or, for machines, as pino's records",
  )
    .choices(LOG_FORMATS)
    .default('text');
}
