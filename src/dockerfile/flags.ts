/** The flags of each instruction: their names, what values they take, how often they may stand. */
import { DockerfileError } from '../util/errors.js';
import { suggest } from '../util/suggest.js';
import type { Instruction, InstructionFlag } from './ast.js';
import { parseDuration } from './duration.js';

type FlagKind = 'boolean' | 'string' | 'list' | 'duration' | 'count';
type FlagTable = Readonly<Record<string, FlagKind>>;

const COPY_FLAGS: FlagTable = {
  chown: 'string',
  chmod: 'string',
  link: 'boolean',
  exclude: 'list',
};

const FLAGS: Readonly<Partial<Record<Instruction['kind'], FlagTable>>> = {
  from: { platform: 'string' },
  run: { mount: 'list', network: 'string', security: 'string', device: 'list' },
  copy: { ...COPY_FLAGS, from: 'string', parents: 'boolean' },
  add: { ...COPY_FLAGS, checksum: 'string', 'keep-git-dir': 'boolean', unpack: 'boolean' },
  healthcheck: {
    interval: 'duration',
    timeout: 'duration',
    'start-period': 'duration',
    'start-interval': 'duration',
    retries: 'count',
  },
};

/** Names of the flags that an instruction takes, without dashes. */
export function flagNames(kind: Instruction['kind']): readonly string[] {
  return Object.keys(FLAGS[kind] ?? {});
}

/** Shorter intervals are refused, as the image specification's consumers do. */
const MIN_DURATION_NANOSECONDS = 1e6;
const MAX_COUNT = 2 ** 31 - 1;

function unknownFlag(keyword: string, flag: InstructionFlag, table: FlagTable): DockerfileError {
  const names = Object.keys(table);
  const near = suggest(flag.name, names);
  const known = names.map((name) => `--${name}`).join(', ');
  const hint =
    near !== undefined
      ? `did you mean --${near}?`
      : names.length > 0
        ? `${keyword} knows ${known}; operands that start with -- go after a word --`
        : `${keyword} takes no flags; operands that start with -- go after a word --`;
  return new DockerfileError(`unknown flag --${flag.name} for ${keyword}`, flag.location, { hint });
}

/** The problem with a value, as message and hint; undefined when there is none. */
function problemWith(flag: InstructionFlag, kind: FlagKind): [string, string] | undefined {
  const { name, value } = flag;
  if (kind === 'boolean') {
    if (value === undefined || /^(true|false)$/i.test(value)) return undefined;
    return [
      `flag --${name} is true or false, not '${value}'`,
      `write --${name} or --${name}=false`,
    ];
  }
  if (value === undefined) return [`flag --${name} needs a value`, `write --${name}=VALUE`];
  if (value === '') return undefined;
  if (kind === 'duration') {
    const duration = parseDuration(value);
    if (duration === undefined) {
      return [`'${value}' of --${name} is not a duration`, 'write for example 30s, 1m30s or 500ms'];
    }
    if (duration !== 0 && duration < MIN_DURATION_NANOSECONDS) {
      return [`--${name}=${value} is less than 1ms`, 'the least duration is 1ms'];
    }
  }
  if (kind === 'count' && !(/^\+?\d+$/.test(value) && Number(value) <= MAX_COUNT)) {
    return [`'${value}' of --${name} is not a count`, `write a whole number, 0 or more`];
  }
  return undefined;
}

/**
 * Checks the flags of an instruction; values are not expanded yet, and are checked only where the
 * reference does not expand them.
 *
 * @throws DockerfileError for unknown flags, flags given twice and impossible values
 */
export function checkFlags(
  kind: Instruction['kind'],
  keyword: string,
  flags: readonly InstructionFlag[],
): void {
  const table = FLAGS[kind] ?? {};
  const seen = new Set<string>();
  for (const flag of flags) {
    const flagKind = Object.hasOwn(table, flag.name) ? table[flag.name] : undefined;
    if (flagKind === undefined) throw unknownFlag(keyword, flag, table);
    if (seen.has(flag.name) && flagKind !== 'list') {
      throw new DockerfileError(`flag --${flag.name} is given twice`, flag.location, {
        hint: `keep one --${flag.name}`,
      });
    }
    seen.add(flag.name);
    const problem = problemWith(flag, flagKind);
    if (problem !== undefined) {
      throw new DockerfileError(problem[0], flag.location, { hint: problem[1] });
    }
  }
}
