/** How --help is laid out: in groups, in 80 columns, or as many as the terminal has up to 120. */

import type { Help } from 'commander';
import { Command, Option } from 'commander';

/** At least so many columns are for what an option does. */
const MIN_TEXT = 24;
const COLUMNS = 80;
const MAX_COLUMNS = 120;

/** Names of the commands of wiac itself, by group. */
const COMMANDS: Readonly<Record<string, string>> = {
  'Build and run:': 'build bake compose run copy',
  'Why, and what:': 'plan why log history report ui shell diff export repro',
  'The cache:': 'cache',
  'Images:': 'images tag rmi inspect pull push imagetools login logout',
  'Trust:': 'lock sign verify-image sbom provenance',
  'More machines:': 'worker workers',
  'This machine:': 'doctor completion help',
};

/** Groups that an option's own declaration names, where its name alone would mislead. */
export const THE_PROGRAM = 'The program:';
export const SANDBOX = 'The sandbox:';
export const WORKERS = 'Workers:';
export const IMAGES = 'Images and registries:';
/** What scripts for other programs give. */
export const NO_EFFECT = 'Without effect, for scripts written for docker and buildah:';
/** What is in no group. */
export const OTHER_OPTIONS = 'Options:';

/** Long names of options, by group; what is in none is in the last one. An option's own helpGroup() counts before. */
const OPTIONS: Readonly<Record<string, string>> = {
  'What is built:':
    'file target platform os arch variant build-arg build-arg-file build-context ignorefile from http-proxy secret ssh set',
  'The result:':
    'tag output push load label unsetlabel env unsetenv annotation squash squash-all omit-history timestamp source-date-epoch rewrite-timestamp provenance sbom attest metadata-file iidfile compression compression-level force-compression docker',
  'The cache:': 'no-cache no-cache-filter cache cache-from cache-to',
  [WORKERS]: 'queue queue-fallback worker-label worker-key',
  'Pinned inputs:': 'lock no-lock locked frozen hermetic',
  [THE_PROGRAM]:
    'env-file workdir user group-add entrypoint interactive tty init hostname volume mount tmpfs device read-only rm publish layer',
  [SANDBOX]:
    'network allow isolation runtime privileged security-opt cap-add cap-drop add-host no-hosts dns dns-search dns-option shm-size ulimit memory memory-swap cpus cpu-period cpu-quota cpu-shares cpuset-cpus cpuset-mems pids-limit jobs',
  [IMAGES]: 'pull require-signed tls-verify cert-dir authfile creds retry retry-delay sign-key',
  'What is shown:':
    'progress quiet logfile report check call format json log-level log-format debug watch exec dry-run',
};

const OTHER_COMMANDS = 'Commands:';

function find(groups: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.keys(groups).find((group) => groups[group]?.split(' ').includes(name));
}

function groupOf(item: unknown): string {
  if (item instanceof Command) return find(COMMANDS, item.name()) ?? OTHER_COMMANDS;
  if (!(item instanceof Option)) return OTHER_OPTIONS;
  return item.helpGroupHeading ?? find(OPTIONS, item.long?.slice(2) ?? '') ?? OTHER_OPTIONS;
}

/** Few options need no groups. */
const FEW = 12;

/** Subcommands of a command are in none: `ls` of `wiac cache` is another one than any of wiac itself. */
const areOfWiac = (commands: readonly Command[]) =>
  commands.every((command) => find(COMMANDS, command.name()) !== undefined);

/** In the order of the tables. @param visible options, or commands, of one command */
function groupItems<Item>(_all: readonly Item[], visible: readonly Item[]): Map<string, Item[]> {
  const commands = visible.filter((item) => item instanceof Command);
  const isCommands = commands.length > 0;
  const other = isCommands ? OTHER_COMMANDS : OTHER_OPTIONS;
  if (visible.length <= FEW || !areOfWiac(commands)) return new Map([[other, [...visible]]]);
  const order = [...Object.keys(isCommands ? COMMANDS : OPTIONS), other, NO_EFFECT];
  const groups = order.map((group): [string, Item[]] => [
    group,
    visible.filter((item) => groupOf(item) === group),
  ]);
  return new Map(groups.filter(([, items]) => items.length > 0));
}

/** What an option does. That a switch is off, and a list empty, goes without saying. */
function optionDescription(option: Option): string {
  const { description, argChoices, defaultValue, defaultValueDescription } = option;
  const isPlain =
    defaultValue === undefined ||
    typeof defaultValue === 'boolean' ||
    (Array.isArray(defaultValue) && defaultValue.length === 0);
  const value = defaultValueDescription ?? (isPlain ? undefined : String(defaultValue));
  const facts = [
    ...(argChoices ? [`choices: ${argChoices.join(', ')}`] : []),
    ...(value === undefined ? [] : [`default: ${value}`]),
  ];
  const text = description.replaceAll('\n', ' ');
  return facts.length === 0 ? text : `${text} (${facts.join('; ')})`;
}

/** For `Command.configureHelp`. */
export const HELP_LAYOUT = {
  groupItems,
  optionDescription,
  // What it takes is said by its own help.
  subcommandTerm: (command) => command.name(),
  commandDescription: (command) => command.description().replaceAll('\n', ' '),
  minWidthToWrap: MIN_TEXT,
} satisfies Partial<Help>;

/** Columns of help. @param columns of the terminal; undefined: there is none */
export function helpColumns(columns: number | undefined): number {
  return columns === undefined ? COLUMNS : Math.min(columns, MAX_COLUMNS);
}
