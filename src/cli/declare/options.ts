/** Options that several commands share, and how their values are read. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { PullPolicy } from '../../engine/request.js';
import type { Isolation } from '../../executor/local/container.js';
import { LOG_FORMATS, LOG_LEVELS } from '../../ui/log.js';
import { collect } from './collect.js';
import { booleanOption, registryOptions } from './declare-registry.js';
import { stepOptions } from './step-options.js';
import { parseBoolean } from './switches.js';

/** Tells main which exit code the process should end with. */
export type SetExitCode = (code: number) => void;

/** As docker (a switch), podman and buildah have it. @throws InvalidArgumentError */
function pullPolicy(value: string): PullPolicy {
  const parsed = parseBoolean(value);
  if (parsed !== undefined) return parsed ? 'always' : 'missing';
  const policy = value.replace(/^if/, '');
  if (policy === 'always' || policy === 'missing' || policy === 'newer' || policy === 'never')
    return policy;
  throw new InvalidArgumentError('Allowed are always, missing, newer, never, true and false.');
}

const ENTITLEMENTS = ['security.insecure', 'network.host'];

function collectEntitlements(value: string, before: readonly string[] = []): string[] {
  const given = value.split(',');
  if (!given.every((item) => ENTITLEMENTS.includes(item)))
    throw new InvalidArgumentError(`Allowed are ${ENTITLEMENTS.join(' and ')}.`);
  return [...before, ...given];
}

/**
 * Options whose value may be left out; commander would take the word after them for it. With what is
 * a value when it stands alone, as docker takes it, and hardly a directory.
 */
const SWITCHES: Readonly<Record<string, RegExp | undefined>> = {
  '--provenance': /^(?:true|false|(?:mode|version|generator|disabled)=.*)$/,
  '--sbom': /^(?:true|false|(?:mode|version|generator|disabled)=.*)$/,
  '--debug': undefined,
  '--prefer-index': undefined,
  '--pull': undefined,
  '--tls-verify': undefined,
  '--http-proxy': undefined,
  '--identity-label': undefined,
  '--skip-unused-stages': undefined,
};

/** The commands that have them. */
const WITH_SWITCHES = [
  ...[
    'build',
    'bake',
    'compose',
    'lock',
    'plan',
    'why',
    'repro',
    'pull',
    'push',
    'login',
    'imagetools',
  ],
  ...['sign', 'verify-image', 'sbom', 'provenance', 'diff', 'shell', 'export'],
];

/**
 * A command line in which every such option has its value; what a container runs is left alone.
 * @param words without node and script
 */
export function withSwitchValues(words: readonly string[]): string[] {
  if (!WITH_SWITCHES.includes(words[0] ?? '')) return [...words];
  const end = words.indexOf('--');
  return words.map((word, at) => {
    if ((end !== -1 && at > end) || !Object.hasOwn(SWITCHES, word)) return word;
    const hasValue = SWITCHES[word]?.test(words[at + 1] ?? '');
    return hasValue ? word : `${word}=true`;
  });
}

/** @throws InvalidArgumentError */
export function positiveInteger(value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 1)
    throw new InvalidArgumentError('It must be a whole number above 0.');
  return number;
}

/** buildah would join several files. @throws InvalidArgumentError */
function onlyOnce(value: string, before?: string): string {
  if (before === undefined) return value;
  throw new InvalidArgumentError('There is one already: join them, cat A B | wiac build -f - .');
}

/** Options of every command that reads a Dockerfile: all that can change a key, and access to images. */
export function dockerfileOptions(command: Command): Command {
  return stepOptions(registryOptions(command))
    .option(
      '-f, --file <file>',
      'the Dockerfile; - is standard input, or a URL (default: Dockerfile of the context)',
      onlyOnce,
    )
    .option('--ignorefile <file>', 'patterns instead of those of .dockerignore')
    .option('--from <image>', 'the image of the first FROM')
    .option('--target <stage>', 'build this stage instead of the last one')
    .option(
      '--platform <platform>',
      "os/architecture[/variant] (default: this machine's), several with commas or given again",
      (value, before?: string) => (before === undefined ? value : `${before},${value}`),
    )
    .option('--os <name>', 'operating system, as in --platform')
    .option('--arch <name>', 'architecture, as in --platform')
    .option('--variant <name>', 'variant of the architecture, as in --platform')
    .option(
      '--pull <policy>',
      'base images: missing (from the store first), newer or always (from where they come from\nfirst), never (only from the store); alone it is always',
      pullPolicy,
      'missing',
    )
    .addOption(requireSignedOption())
    .option(
      '--build-arg <name=value>',
      'value of an ARG; without =value from the environment',
      collect,
      [],
    )
    .option('--build-arg-file <file>', 'such arguments, one on each line', collect)
    .option(
      '--http-proxy <bool>',
      'true: the proxies of the environment as build arguments (default: false)',
      booleanOption,
    )
    .option(
      '--build-context <name=source>',
      'directory, archive, URL, repository, docker-image://REF, oci-layout://DIR or\ntarget:STAGE for FROM and --from',
      collect,
      [],
    )
    .option(
      '--ssh <id=socket|keyfile>',
      'ssh agent or keys for RUN --mount=type=ssh; default is also for repositories',
      collect,
      [],
    )
    .option(
      '--allow <entitlement>',
      'what RUN steps may ask for: security.insecure, network.host',
      collectEntitlements,
      [],
    );
}

/** What docker and buildah call the usual one. */
const USUAL_ISOLATION = ['namespaces', 'default', 'oci', 'rootless'];

/** --require-signed */
export function requireSignedOption(): Option {
  return new Option(
    '--require-signed <host/path=keyfile>',
    'images of this registry, below this path, must be signed with the key (PEM or env://NAME)',
  )
    .argParser(collect)
    .default([], 'none');
}

/** @throws InvalidArgumentError */
function isolation(value: string): Isolation {
  if (USUAL_ISOLATION.includes(value)) return 'namespaces';
  if (value === 'chroot') return value;
  throw new InvalidArgumentError('Allowed choices are namespaces, chroot.');
}

/** --isolation */
export function isolationOption(): Option {
  return new Option(
    '--isolation <mode>',
    'namespaces: private mounts, processes, devices; chroot: only another root',
  )
    .argParser(isolation)
    .default('namespaces');
}

/** --runtime */
export function runtimeOption(): Option {
  return new Option(
    '--runtime <program>',
    'an OCI runtime such as crun or runc makes the containers (default: wiac itself)',
  );
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
