/** What each instruction that makes no layer does to the image config. Pure. */
import { constants } from 'node:os';
import { posix } from 'node:path';
import type { Command, HealthcheckInstruction, Instruction } from '../dockerfile/ast.js';
import { parseDuration } from '../dockerfile/duration.js';
import { DockerfileError } from '../errors.js';
import type { ContainerConfig, Healthcheck } from '../image/config.js';
import type { Expander } from './scope.js';

/** SIGRTMAX of Linux. */
const LAST_SIGNAL = 64;

/** The default of SHELL on Linux (Dockerfile reference, SHELL). */
export const DEFAULT_SHELL = ['/bin/sh', '-c'];

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

/** @throws DockerfileError for what is neither the name nor the number of a signal */
function checkSignal(signal: string, location: Instruction['location']): string {
  const name = signal.toUpperCase().replace(/^SIG/, '');
  const number = Number(name);
  const known = /^\d+$/.test(name)
    ? number > 0 && number <= LAST_SIGNAL
    : `SIG${name}` in constants.signals || /^(RTMIN(\+\d{1,2})?|RTMAX(-\d{1,2})?)$/.test(name);
  if (known) return signal;
  throw new DockerfileError(`STOPSIGNAL ${signal} is not a signal`, location, {
    hint: 'write a name such as SIGTERM, or a number from 1 to 64',
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

/** Config with variables set; a variable keeps its place when its value changes. */
export function setEnv(
  config: ContainerConfig,
  pairs: readonly (readonly [string, string])[],
): ContainerConfig {
  const env = [...config.Env];
  for (const [name, value] of pairs) {
    const at = env.findIndex((item) => item.startsWith(`${name}=`));
    if (at === -1) env.push(`${name}=${value}`);
    else env[at] = `${name}=${value}`;
  }
  return { ...config, Env: env };
}

const DURATIONS = {
  interval: 'Interval',
  timeout: 'Timeout',
  'start-period': 'StartPeriod',
  'start-interval': 'StartInterval',
} as const;

function healthcheck(instruction: HealthcheckInstruction, shell: readonly string[]): Healthcheck {
  const { command, flags } = instruction;
  if (!command) return { Test: ['NONE'] };
  const Test =
    command.form === 'exec'
      ? ['CMD', ...command.argv]
      : shell === DEFAULT_SHELL
        ? ['CMD-SHELL', command.text]
        : ['CMD', ...shell, command.text];
  // The parser has checked the values.
  const numbers = flags.map(({ name, value = '' }): [string, number] =>
    name === 'retries'
      ? ['Retries', Number(value)]
      : [DURATIONS[name as keyof typeof DURATIONS], parseDuration(value) ?? 0],
  );
  return { Test, ...Object.fromEntries(numbers) };
}

/**
 * `port/protocol` of everything that EXPOSE names.
 * @throws DockerfileError
 */
export function exposedPorts(
  values: readonly string[],
  location: Instruction['location'],
): string[] {
  return values.flatMap((value) => {
    const match = /^(\d+)(?:-(\d+))?(?:\/([a-z]+))?$/i.exec(value);
    const first = Number(match?.[1]);
    const last = match?.[2] === undefined ? first : Number(match[2]);
    const protocol = (match?.[3] ?? 'tcp').toLowerCase();
    if (!match || last < first || last > 65535 || !['tcp', 'udp', 'sctp'].includes(protocol)) {
      throw new DockerfileError(`EXPOSE ${value} is not a port`, location, {
        hint: 'write a port or a range with an optional protocol: 80, 8000-8010/udp',
      });
    }
    return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}/${protocol}`);
  });
}

function withSet(
  set: Readonly<Record<string, Record<string, never>>> | undefined,
  names: readonly string[],
): Record<string, Record<string, never>> {
  return { ...set, ...Object.fromEntries(names.map((name) => [name, {}])) };
}

/** WORKDIR's path: relative ones start at the one before. */
export function joinWorkdir(current: string, path: string): string {
  return posix.resolve(current === '' ? '/' : current, path);
}

/**
 * The config after an instruction that makes no layer.
 * @param state.cmdInStage CMD was set in this stage: ENTRYPOINT resets only an inherited one
 * @throws DockerfileError for values that mean nothing
 */
export function changeConfig(
  config: ContainerConfig,
  instruction: Instruction,
  expand: Expander,
  state: { readonly cmdInStage: boolean },
): ContainerConfig {
  const { location } = instruction;
  const shell = config.Shell ?? DEFAULT_SHELL;
  switch (instruction.kind) {
    case 'env':
      return setEnv(config, expandPairs(instruction, expand));
    case 'label': {
      const labels = Object.fromEntries(expandPairs(instruction, expand));
      return { ...config, Labels: { ...config.Labels, ...labels } };
    }
    case 'cmd':
      return { ...config, Cmd: commandArgv(instruction.command, shell) };
    case 'entrypoint': {
      const { Cmd, ...rest } = config;
      const Entrypoint = commandArgv(instruction.command, shell);
      return state.cmdInStage && Cmd ? { ...rest, Cmd, Entrypoint } : { ...rest, Entrypoint };
    }
    case 'shell':
      return { ...config, Shell: instruction.argv };
    case 'user':
      return { ...config, User: expand(instruction.value, location) };
    case 'stopsignal':
      return { ...config, StopSignal: checkSignal(expand(instruction.value, location), location) };
    case 'workdir':
      return {
        ...config,
        WorkingDir: joinWorkdir(config.WorkingDir, expand(instruction.value, location)),
      };
    case 'expose': {
      const values = instruction.values
        .map((value) => expand(value, location))
        .flatMap((text) => text.split(/\s+/));
      return {
        ...config,
        ExposedPorts: withSet(config.ExposedPorts, exposedPorts(values.filter(Boolean), location)),
      };
    }
    case 'volume':
      return {
        ...config,
        Volumes: withSet(
          config.Volumes,
          instruction.values.map((value) => expand(value, location)),
        ),
      };
    case 'healthcheck':
      return { ...config, Healthcheck: healthcheck(instruction, shell) };
    case 'onbuild':
      return { ...config, OnBuild: [...(config.OnBuild ?? []), triggerText(instruction.trigger)] };
    default:
      return config;
  }
}
