/** The values of `RUN --mount=`: Dockerfile reference, "RUN --mount". */
import { posix } from 'node:path';
import { parseAttributes, parseBoolean, type Refuse } from '../util/csv-attributes.js';
import { DockerfileError, type SourceLocation } from '../util/errors.js';
import { suggest } from '../util/suggest.js';
import { parseBinarySize } from '../util/units.js';

interface BaseMount {
  /** Path in the container, relative to WORKDIR unless absolute; `.` when it was not given. */
  readonly target: string;
}

/** Files of the build context, a stage or an image. Writes are allowed with rw, and are dropped. */
export interface BindMount extends BaseMount {
  readonly type: 'bind';
  /** Stage, context or image; undefined: the build context. */
  readonly from: string | undefined;
  /** Path in `from`; `/` when it was not given. */
  readonly source: string;
  readonly readOnly: boolean;
}

/** A directory that outlives the build and never enters a layer. */
export interface CacheMount extends BaseMount {
  readonly type: 'cache';
  /** Its identity; the target when none was given. */
  readonly id: string;
  readonly sharing: 'shared' | 'private' | 'locked';
  /** What a new cache starts with; undefined: an empty directory. */
  readonly from: string | undefined;
  readonly source: string;
  readonly readOnly: boolean;
  /** Of a new cache's directory: permission bits and owner; undefined: those of `source` in `from`. */
  readonly mode: number | undefined;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
}

export interface TmpfsMount extends BaseMount {
  readonly type: 'tmpfs';
  /** Upper limit in bytes; undefined: none. */
  readonly size: number | undefined;
  readonly readOnly: boolean;
}

export interface SecretMount {
  readonly type: 'secret';
  readonly id: string;
  /** File that holds the secret; undefined when it is given in the environment alone. */
  readonly target: string | undefined;
  /** Environment variable that holds the secret. */
  readonly env: string | undefined;
  /** Fail when the secret was not handed to the build; otherwise the mount is left out. */
  readonly required: boolean;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface SshMount {
  readonly type: 'ssh';
  readonly id: string;
  /** Path of the agent's socket; undefined: `/run/buildkit/ssh_agent.N` for the Nth (from 0). */
  readonly target: string | undefined;
  readonly required: boolean;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export type RunMount = BindMount | CacheMount | TmpfsMount | SecretMount | SshMount;

type MountType = RunMount['type'];
type OptionKey =
  | 'from'
  | 'source'
  | 'target'
  | 'readonly'
  | 'readwrite'
  | 'id'
  | 'sharing'
  | 'required'
  | 'size'
  | 'mode'
  | 'uid'
  | 'gid'
  | 'env';

/** Every spelling of an option. */
const SPELLINGS: Readonly<Record<string, OptionKey | 'type'>> = {
  type: 'type',
  from: 'from',
  source: 'source',
  src: 'source',
  target: 'target',
  dst: 'target',
  destination: 'target',
  readonly: 'readonly',
  ro: 'readonly',
  readwrite: 'readwrite',
  rw: 'readwrite',
  id: 'id',
  sharing: 'sharing',
  required: 'required',
  size: 'size',
  mode: 'mode',
  uid: 'uid',
  gid: 'gid',
  env: 'env',
};

const OPTIONS: Readonly<Record<MountType, readonly OptionKey[]>> = {
  bind: ['from', 'source', 'target', 'readonly', 'readwrite'],
  cache: [
    ...(['id', 'target', 'sharing', 'from', 'source'] as const),
    ...(['readonly', 'readwrite', 'mode', 'uid', 'gid'] as const),
  ],
  tmpfs: ['target', 'size', 'readonly', 'readwrite'],
  secret: [
    ...(['id', 'source', 'target', 'env', 'required'] as const),
    ...(['readonly', 'readwrite', 'mode', 'uid', 'gid'] as const),
  ],
  ssh: ['id', 'target', 'required', 'readonly', 'readwrite', 'mode', 'uid', 'gid'],
};
const MAX_ID = 2 ** 32 - 1;

interface Given {
  readonly refuse: Refuse;
  readonly values: ReadonlyMap<OptionKey, string | undefined>;
  /** The last of `ro` and `rw`; undefined when neither was given. */
  readonly readOnly: boolean | undefined;
}

function didYouMean(word: string, candidates: readonly string[]): string {
  const near = suggest(word, candidates);
  return near === undefined ? `write one of ${candidates.join(', ')}` : `did you mean ${near}?`;
}

/** An option without value is true. */
function readBoolean(refuse: Refuse, key: string, value?: string): boolean {
  return (
    (value === undefined || parseBoolean(value)) ??
    refuse(`'${value}' of ${key} is not a boolean`, `write ${key}=true or ${key}=false`)
  );
}

function readNumber(given: Given, key: 'mode' | 'uid' | 'gid'): number | undefined {
  const value = given.values.get(key);
  if (value === undefined) return undefined;
  const octal = key === 'mode';
  const digits = octal ? /^[0-7]+$/ : /^\d+$/;
  const number = Number.parseInt(value, octal ? 8 : 10);
  if (digits.test(value) && number <= MAX_ID) return number;
  return octal
    ? given.refuse(`'${value}' of mode is not an octal number`, 'write for example mode=0755')
    : given.refuse(`'${value}' of ${key} is not a number`, `${key} takes numbers, no names`);
}

function readSize(given: Given): number | undefined {
  const value = given.values.get('size');
  if (value === undefined) return undefined;
  return (
    parseBinarySize(value) ??
    given.refuse(`'${value}' of size is not a size`, 'write for example size=64m or size=1g')
  );
}

/** Target of a mount that must not hide the whole file system. */
function readTarget(given: Given): string {
  const target = given.values.get('target') || '.';
  if (posix.join('/', target) === '/' && target.startsWith('/')) {
    given.refuse(`invalid target '${target}'`, 'mount somewhere below /');
  }
  return target;
}

function readSharing(given: Given): CacheMount['sharing'] {
  const sharing = (given.values.get('sharing') ?? 'shared').toLowerCase();
  if (sharing === 'shared' || sharing === 'private' || sharing === 'locked') return sharing;
  const hint = didYouMean(sharing, ['shared', 'private', 'locked']);
  return given.refuse(`unsupported sharing '${sharing}'`, hint);
}

function readGivenOwner(given: Given) {
  return {
    mode: readNumber(given, 'mode'),
    uid: readNumber(given, 'uid'),
    gid: readNumber(given, 'gid'),
  };
}

function readOwner(given: Given, usualMode: number) {
  const { mode = usualMode, uid = 0, gid = 0 } = readGivenOwner(given);
  return { mode, uid, gid };
}

function readRequired(given: Given): boolean {
  if (!given.values.has('required')) return false;
  return readBoolean(given.refuse, 'required', given.values.get('required'));
}

function readSecret(given: Given): SecretMount {
  const { values } = given;
  const source = values.get('source');
  const target = values.get('target') || undefined;
  const env = values.get('env') || undefined;
  if (source && values.get('id')) {
    given.refuse('both id and source are given', 'source is another name for id: keep id');
  }
  const id = values.get('id') || source || (target === undefined ? '' : posix.basename(target));
  if (id === '') given.refuse('the secret has no id', 'write type=secret,id=NAME');
  const file = target ?? (env === undefined ? `/run/secrets/${posix.basename(id)}` : undefined);
  const required = readRequired(given);
  return { type: 'secret', id, target: file, env, required, ...readOwner(given, 0o400) };
}

function build(type: MountType, given: Given): RunMount {
  const { values } = given;
  const readOnly = given.readOnly ?? false;
  const from = values.get('from') || undefined;
  const source = values.get('source') || '/';
  switch (type) {
    case 'bind':
      return { type, target: readTarget(given), from, source, readOnly: given.readOnly ?? true };
    case 'cache': {
      const target = readTarget(given);
      const id = values.get('id') || posix.normalize(target);
      const sharing = readSharing(given);
      const owner = from === undefined ? readOwner(given, 0o755) : readGivenOwner(given);
      return { type, target, id, sharing, from, source, readOnly, ...owner };
    }
    case 'tmpfs':
      return { type, target: readTarget(given), size: readSize(given), readOnly };
    case 'secret':
      return readSecret(given);
    case 'ssh': {
      const id = values.get('id') || 'default';
      const target = values.get('target') || undefined;
      return { type, id, target, required: readRequired(given), ...readOwner(given, 0o600) };
    }
  }
}

function readType(refuse: Refuse, value: string): MountType {
  const types = Object.keys(OPTIONS);
  const found = types.find((type): type is MountType => type === value.toLowerCase());
  return found ?? refuse(`unsupported mount type '${value}'`, didYouMean(value, types));
}

/**
 * Reads the value of one `--mount`. The fields are split first and their values expanded then, so
 * that a comma in a variable's value is no separator.
 *
 * @param text the flag's value as written
 * @param expandValue expands the variables in one option's value
 * @throws DockerfileError for unknown types and options, options that the type does not have and
 *   impossible values
 */
export function parseMount(
  text: string,
  location: SourceLocation,
  expandValue: (value: string) => string = (value) => value,
): RunMount {
  const refuse: Refuse = (problem, hint) => {
    throw new DockerfileError(`--mount=${text}: ${problem}`, location, { hint });
  };
  const values = new Map<OptionKey, string | undefined>();
  let type: MountType = 'bind';
  let readOnly: boolean | undefined;
  for (const { name, value: written, field } of parseAttributes(text, refuse)) {
    const key = Object.hasOwn(SPELLINGS, name) ? SPELLINGS[name] : undefined;
    if (key === 'from' && written?.includes('$')) {
      const hint = `give it a name that a FROM has: FROM ${written} AS name`;
      return refuse('from takes no variables', hint);
    }
    const value = written === undefined ? undefined : expandValue(written);
    if (key === undefined) {
      return refuse(`unknown option '${field}'`, didYouMean(name, Object.keys(SPELLINGS)));
    }
    const isSwitch = key === 'readonly' || key === 'readwrite' || key === 'required';
    if (value === undefined && !isSwitch) {
      return refuse(`option '${name}' needs a value`, `write ${name}=VALUE`);
    }
    if (key === 'type') type = readType(refuse, value ?? '');
    else values.set(key, value);
    if (key === 'readonly') readOnly = readBoolean(refuse, name, value);
    if (key === 'readwrite') readOnly = !readBoolean(refuse, name, value);
  }
  const options = OPTIONS[type];
  for (const key of values.keys()) {
    if (options.includes(key)) continue;
    refuse(`a ${type} mount has no option '${key}'`, `its options are ${options.join(', ')}`);
  }
  return build(type, { refuse, values, readOnly });
}
