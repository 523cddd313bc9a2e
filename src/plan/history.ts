/**
 * What an instruction is called in the image's history: BuildKit's words, which `docker history`
 * shows and other tools read. Values are those after expansion.
 */
import type { ArgInstruction, CopyInstruction, Instruction } from '../dockerfile/ast.js';
import { withoutCredentials } from '../util/redact.js';
import { exposedPorts } from './config-changes.js';
import type { NewStep } from './graph.js';
import type { Expander } from './scope.js';
import type { ConfigFields } from './stage-config.js';

/** What the words depend on besides the instruction. */
export interface HistoryScope {
  /** Config after the instruction. */
  readonly config: ConfigFields;
  /** ARG values in effect. */
  readonly args: ReadonlyMap<string, string>;
  /** Names of all ARGs, in the order of their declaration. */
  readonly declared: ReadonlySet<string>;
  readonly lookup: (name: string) => string | undefined;
  readonly expand: Expander;
  readonly step: NewStep;
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['\x07', '\\a'],
  ['\b', '\\b'],
  ['\f', '\\f'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  ['\v', '\\v'],
  ['\\', '\\\\'],
  ['"', '\\"'],
]);

/** A string as Go's %q writes it. */
function quote(text: string): string {
  const body = [...text].map((character) => {
    const code = character.codePointAt(0) ?? 0;
    const escaped = ESCAPES.get(character);
    if (escaped !== undefined) return escaped;
    if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, '0')}`;
    return character;
  });
  return `"${body.join('')}"`;
}

const quoteAll = (items: readonly string[]) => `[${items.map(quote).join(' ')}]`;

/** Nanoseconds as Go's Duration.String writes them, for the units a Dockerfile can have. */
function duration(nanoseconds = 0): string {
  if (nanoseconds === 0) return '0s';
  if (nanoseconds < 1e9) {
    const [size, unit] = nanoseconds < 1e6 ? [1e3, 'µs'] : [1e6, 'ms'];
    return `${nanoseconds / Number(size)}${unit}`;
  }
  const seconds = nanoseconds / 1e9;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = `${Number((seconds % 60).toFixed(9))}s`;
  if (hours > 0) return `${hours}h${minutes}m${rest}`;
  return minutes > 0 ? `${minutes}m${rest}` : rest;
}

/** A number as Go's %q writes it: the character of that code. */
function quoteRune(code: number): string {
  const character = code > 0x10ffff ? '\ufffd' : String.fromCodePoint(code);
  if (character === "'" || character === '"') return character === '"' ? `'"'` : `'\\''`;
  return `'${quote(character).slice(1, -1)}'`;
}

function healthcheckText({ config }: HistoryScope): string {
  const {
    Test = [],
    Interval,
    Timeout,
    StartPeriod,
    StartInterval,
    Retries = 0,
  } = config.Healthcheck ?? {};
  const durations = [Interval, Timeout, StartPeriod, StartInterval].map((time) =>
    quote(duration(time)),
  );
  return `&{${[quoteAll(Test), ...durations, quoteRune(Retries)].join(' ')}}`;
}

function copyText(instruction: CopyInstruction, { expand }: HistoryScope): string {
  const { keyword, flags, sources, heredocs, destination, location } = instruction;
  const flag = (name: string) => flags.find((item) => item.name === name);
  const shown = ['chown', 'chmod'].flatMap((name) => {
    const value = expand(flag(name)?.value ?? '', location);
    return value === '' ? [] : [`--${name}=${value}`];
  });
  const parents = flag('parents');
  return [
    keyword.toUpperCase(),
    ...(parents && parents.value?.toLowerCase() !== 'false' ? ['--parents'] : []),
    ...shown,
    ...sources.map((source) => withoutCredentials(expand(source, location))),
    ...heredocs.map(({ name }) => `<<${name}`),
    expand(destination, location),
  ].join(' ');
}

/** Arguments that are declared stand before the program: `|1 NAME=value /bin/sh -c ...`. */
function runText({ declared, lookup, step }: HistoryScope): string {
  const argv = step.kind === 'run' ? step.argv : [];
  const seen = [...declared].map((name) => `${name}=${lookup(name) ?? ''}`);
  return ['RUN', ...(seen.length > 0 ? [`|${seen.length}`, ...seen] : []), ...argv].join(' ');
}

function argText(instruction: ArgInstruction, { args, expand }: HistoryScope): string {
  const texts = instruction.args.map(({ name: written }) => {
    const name = expand(written, instruction.location);
    const value = args.get(name);
    return value === undefined ? name : `${name}=${value}`;
  });
  return `ARG ${texts.join(' ')}`;
}

/**
 * `created_by` of an instruction's history entry.
 * @returns undefined when it gets none (ONBUILD, as in BuildKit)
 */
export function createdBy(instruction: Instruction, scope: HistoryScope): string | undefined {
  const { config, expand } = scope;
  const { location } = instruction;
  switch (instruction.kind) {
    case 'run':
      return `${runText(scope)} # buildkit`;
    case 'copy':
    case 'add':
      return `${copyText(instruction, scope)} # buildkit`;
    case 'workdir':
      return `WORKDIR ${config.WorkingDir}`;
    case 'env':
    case 'label': {
      const pairs = instruction.pairs.map(
        ({ key, value }) => `${expand(key, location)}=${expand(value, location)}`,
      );
      return `${instruction.kind.toUpperCase()} ${pairs.join(' ')}`;
    }
    case 'arg':
      return argText(instruction, scope);
    case 'cmd':
      return `CMD ${quoteAll(config.Cmd ?? [])}`;
    case 'entrypoint':
      return `ENTRYPOINT ${quoteAll(config.Entrypoint ?? [])}`;
    case 'expose': {
      const words = instruction.values.flatMap((value) => expand(value, location).split(/\s+/));
      return `EXPOSE [${exposedPorts(words.filter(Boolean), location).join(' ')}]`;
    }
    case 'volume':
      return `VOLUME [${instruction.values.map((value) => expand(value, location)).join(' ')}]`;
    case 'shell':
      return `SHELL [${instruction.argv.join(' ')}]`;
    case 'user':
    case 'stopsignal':
      return `${instruction.kind.toUpperCase()} ${expand(instruction.value, location)}`;
    case 'maintainer':
      return `MAINTAINER ${instruction.value}`;
    case 'healthcheck':
      return `HEALTHCHECK ${healthcheckText(scope)}`;
    default:
      return undefined;
  }
}
