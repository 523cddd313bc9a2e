/** What each instruction that makes no layer does to the image config. Pure. */
import { isIP } from 'node:net';
import { constants } from 'node:os';
import { posix } from 'node:path';
import type { Command, HealthcheckInstruction, Instruction } from '../dockerfile/ast.js';
import { parseDuration } from '../dockerfile/duration.js';
import type { Healthcheck } from '../oci/image-config.js';
import { defaultShell } from '../oci/image-config.js';
import { DockerfileError } from '../util/errors.js';
import type { Expander } from './scope.js';
import type { ConfigChange, ConfigFields } from './stage-config.js';

/** Names that Linux has for a signal besides those of Node. */
const OTHER_NAMES: readonly string[] = ['CLD'];

/** Arguments of a command in either form, the shell in front of the shell form. */
export function commandArgv(command: Command, shell: readonly string[]): readonly string[] {
  return command.form === 'exec' ? command.argv : [...shell, command.text];
}

/**
 * A trigger as BuildKit writes it into the config: the here-documents that belong to it stand on
 * the lines after it.
 */
function triggerText(trigger: Instruction): string {
  const heredocs = 'heredocs' in trigger ? trigger.heredocs : [];
  return [trigger.original, ...heredocs.map(({ content, name }) => `\n${content}${name}`)].join('');
}

/** @throws DockerfileError when the text is neither the name nor the number of a signal */
function checkSignal(signal: string, location: Instruction['location']): string {
  const name = signal.toUpperCase().replace(/^SIG/, '');
  // As in BuildKit any number but 0: what stops the container may be no Linux.
  const known = /^-?\d+$/.test(signal)
    ? Number(signal) !== 0
    : `SIG${name}` in constants.signals ||
      OTHER_NAMES.includes(name) ||
      /^(RTMIN(\+\d{1,2})?|RTMAX(-\d{1,2})?)$/.test(name);
  if (known) return signal;
  throw new DockerfileError(`STOPSIGNAL ${signal} is not a signal`, location, {
    hint: 'write a name such as SIGTERM, or a number such as 15',
  });
}

/** Names and values after expansion. @throws DockerfileError for a name that is empty then */
function expandPairs(
  { keyword, pairs, location }: Instruction & { kind: 'env' | 'label' },
  expand: Expander,
): [string, string][] {
  return pairs.map(({ key, value }) => {
    const name = expand(key, location);
    if (name !== '') return [name, expand(value, location)];
    throw new DockerfileError(
      `${keyword.toUpperCase()}: the name ${key} is empty after expansion`,
      location,
      { hint: `give the variable a value, with a default for example: \${NAME:-default}` },
    );
  });
}

const DURATIONS = {
  interval: 'Interval',
  timeout: 'Timeout',
  'start-period': 'StartPeriod',
  'start-interval': 'StartInterval',
} as const;

/** CMD-SHELL takes the SHELL of the image when it is carried out. */
function healthcheck({ command, flags }: HealthcheckInstruction): Healthcheck {
  if (!command) return { Test: ['NONE'] };
  const Test = command.form === 'exec' ? ['CMD', ...command.argv] : ['CMD-SHELL', command.text];
  // The parser has checked the values.
  const numbers = flags.map(({ name, value = '' }): [string, number] =>
    name === 'retries'
      ? ['Retries', Number(value)]
      : [DURATIONS[name as keyof typeof DURATIONS], parseDuration(value) ?? 0],
  );
  return { Test, ...Object.fromEntries(numbers.filter(([, number]) => number !== 0)) };
}

/** Ports as `docker run -p` takes them: address and port of the host before the container's. */
const PORTS = /^(?:(?:(\[[^\]]*\]|[^:[\]]*):)?(\d+(?:-\d+)?)?:)?(\d+(?:-\d+)?)(?:\/([a-z]+))?$/i;

const MAX_PORT = 65535;

/** First and last of a range; undefined when it is none. */
function portRange(text: string): readonly [number, number] | undefined {
  const [first = 0, last = first] = text.split('-').map(Number);
  return last < first || last > MAX_PORT ? undefined : [first, last];
}

/** Where the host's side of a port goes to does not matter to an image; that it is one does. */
function isHostSide(address = '', ports: string | undefined, count: number): boolean {
  const bare = address.replace(/^\[(.*)\]$/, '$1');
  if (bare !== '' && isIP(bare) === 0) return false;
  const range = ports === undefined ? undefined : portRange(ports);
  if (ports === undefined) return true;
  return range !== undefined && (count === 1 || range[1] - range[0] + 1 === count);
}

/**
 * `port/protocol` of everything that EXPOSE names.
 * @throws DockerfileError
 */
export function exposedPorts(
  values: readonly string[],
  location: Instruction['location'],
): string[] {
  // A line may name 65,535 of them: strings that are added here, and copied nowhere.
  const found: string[] = [];
  for (const value of values) {
    const [, address, hostPorts, ports = '', protocol = 'tcp'] = PORTS.exec(value) ?? [];
    const range = ports === '' ? undefined : portRange(ports);
    const name = protocol.toLowerCase();
    const count = range === undefined ? 0 : range[1] - range[0] + 1;
    const isPort = range !== undefined && isHostSide(address, hostPorts, count);
    if (!isPort || !['tcp', 'udp', 'sctp'].includes(name)) {
      throw new DockerfileError(`EXPOSE ${value} is not a port`, location, {
        hint: 'write a port or a range with an optional protocol: 80, 8000-8010/udp',
      });
    }
    for (let port = range[0]; port <= range[1]; port++) found.push(`${port}/${name}`);
  }
  return found;
}

/** @throws DockerfileError for a path that is empty after expansion */
function volumePaths(
  values: readonly string[],
  expand: Expander,
  location: Instruction['location'],
): string[] {
  return values.map((value) => {
    const path = expand(value, location);
    if (path !== '') return path;
    throw new DockerfileError(`VOLUME ${value} is empty after expansion`, location, {
      hint: 'give the variable a value, or remove the VOLUME',
    });
  });
}

/** WORKDIR's path: relative ones start at the one before. */
export function joinWorkdir(current: string, path: string): string {
  return posix.resolve(current === '' ? '/' : current, path);
}

/** What an instruction's change depends on besides its words. */
export interface ConfigState {
  /** The config so far. */
  readonly fields: ConfigFields;
  /** CMD was set in this stage: ENTRYPOINT resets only an inherited one. */
  readonly cmdInStage: boolean;
  /** Of the stage: it decides the default of SHELL. */
  readonly platform: string;
}

/**
 * What an instruction changes in the config.
 * @throws DockerfileError for values that mean nothing
 */
export function configChange(
  instruction: Instruction,
  expand: Expander,
  { fields, cmdInStage, platform }: ConfigState,
): ConfigChange {
  const { location } = instruction;
  const shell = fields.Shell ?? defaultShell(platform);
  switch (instruction.kind) {
    case 'env':
      return { env: expandPairs(instruction, expand) };
    case 'label':
      return { labels: expandPairs(instruction, expand) };
    case 'cmd':
      return { fields: { Cmd: commandArgv(instruction.command, shell) } };
    case 'entrypoint': {
      const Entrypoint = commandArgv(instruction.command, shell);
      return { fields: { Entrypoint, Cmd: cmdInStage ? fields.Cmd : undefined } };
    }
    case 'shell':
      return { fields: { Shell: instruction.argv } };
    case 'user':
      return { fields: { User: expand(instruction.value, location) } };
    case 'stopsignal':
      return { fields: { StopSignal: checkSignal(expand(instruction.value, location), location) } };
    case 'workdir': {
      const path = expand(instruction.value, location);
      return { fields: { WorkingDir: joinWorkdir(fields.WorkingDir, path) } };
    }
    case 'expose': {
      const values = instruction.values
        .map((value) => expand(value, location))
        .flatMap((text) => text.split(/\s+/));
      return { ports: exposedPorts(values.filter(Boolean), location) };
    }
    case 'volume':
      return { volumes: volumePaths(instruction.values, expand, location) };
    case 'healthcheck':
      return { fields: { Healthcheck: healthcheck(instruction) } };
    case 'onbuild':
      return { trigger: triggerText(instruction.trigger) };
    default:
      return {};
  }
}
