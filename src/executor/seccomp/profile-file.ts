/** Profiles of users, in the format that Docker, podman and the OCI runtimes share. */
import { constants } from 'node:os';
import type { Action, Condition, Operator, Profile, Rule, Scope } from './profile.js';
import { ALLOW, EPERM, fail, KILL_PROCESS, KILL_THREAD, LOG, TRACE, TRAP } from './profile.js';

/** What a profile says that can't be. */
export interface BadProfile {
  readonly wrong: string;
}

/** How the reader leaves from wherever it is; parseProfile turns it into a BadProfile. */
class Wrong extends Error {}

type Json = Readonly<Record<string, unknown>>;

function object(value: unknown, what: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  throw new Wrong(`${what} has to be an object`);
}

/** Go writes an empty list as null. */
function list(value: unknown, what: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw new Wrong(`${what} has to be a list`);
}

function text(value: unknown, what: string): string {
  if (typeof value === 'string') return value;
  throw new Wrong(`${what} has to be a string`);
}

const texts = (value: unknown, what: string) => list(value, what).map((each) => text(each, what));

function whole(value: unknown, what: string, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most)
    return value;
  throw new Wrong(`${what} has to be a number from 0 to ${most}`);
}

const ACTIONS: Readonly<Record<string, (errno: number) => Action>> = {
  SCMP_ACT_ALLOW: () => ALLOW,
  SCMP_ACT_ERRNO: fail,
  SCMP_ACT_KILL: () => KILL_THREAD,
  SCMP_ACT_KILL_THREAD: () => KILL_THREAD,
  SCMP_ACT_KILL_PROCESS: () => KILL_PROCESS,
  SCMP_ACT_LOG: () => LOG,
  SCMP_ACT_TRACE: (data) => TRACE | data,
  SCMP_ACT_TRAP: () => TRAP,
};

/** The kernel takes no larger one from a filter. */
const MAX_ERRNO = 4095;

/** @param name of the error, as podman writes it beside its number */
function action(value: unknown, errno: unknown, name: unknown, what: string): Action {
  const make = ACTIONS[text(value, what)];
  if (!make) throw new Wrong(`${what}: there is no ${value} here`);
  if (typeof name === 'string' && name !== '') {
    const number = new Map(Object.entries(constants.errno)).get(name);
    if (number === undefined) throw new Wrong(`${what}: there is no error ${name}`);
    return make(number);
  }
  return make(errno === undefined || errno === null ? EPERM : whole(errno, what, MAX_ERRNO));
}

const OPERATORS: Readonly<Record<string, Operator>> = {
  SCMP_CMP_EQ: '==',
  SCMP_CMP_NE: '!=',
  SCMP_CMP_LT: '<',
  SCMP_CMP_LE: '<=',
  SCMP_CMP_GT: '>',
  SCMP_CMP_GE: '>=',
  SCMP_CMP_MASKED_EQ: 'masked',
};

/** Numbers above 2^53 lose their last digits in JSON as Node reads it: they are refused. */
function word(value: unknown, what: string): bigint {
  return BigInt(whole(value ?? 0, what, Number.MAX_SAFE_INTEGER));
}

function condition(value: unknown): Condition {
  const { index, op, value: first, valueTwo } = object(value, 'args');
  const operator = OPERATORS[text(op, 'op')];
  if (!operator) throw new Wrong(`op: there is no ${op}`);
  const base = { argument: whole(index, 'index', 5), operator, value: word(first, 'value') };
  return operator === 'masked' ? { ...base, masked: word(valueTwo, 'valueTwo') } : base;
}

function kernel(value: unknown): readonly [number, number] {
  const [, major, minor] = /^(\d+)\.(\d+)$/.exec(text(value, 'minKernel')) ?? [];
  if (major === undefined) throw new Wrong(`minKernel: ${value} is no version such as 4.8`);
  return [Number(major), Number(minor)];
}

function scope(value: unknown): Scope {
  if (value === undefined || value === null) return {};
  const { caps, arches, minKernel } = object(value, 'includes and excludes');
  const architectures = texts(arches, 'arches');
  return {
    capabilities: texts(caps, 'caps').map((name) => name.replace(/^CAP_/, '')),
    ...(architectures.length > 0 ? { architectures } : {}),
    ...(minKernel === undefined || minKernel === '' ? {} : { kernel: kernel(minKernel) }),
  };
}

function rule(value: unknown): Rule {
  const { name, names, action: wanted, errnoRet, errno, args, ...rest } = object(value, 'syscalls');
  const calls = [
    ...texts(names, 'names'),
    ...(typeof name === 'string' && name !== '' ? [name] : []),
  ];
  if (calls.length === 0) throw new Wrong('syscalls: each needs names');
  return {
    calls,
    action: action(wanted, errnoRet, errno, `action of ${calls[0]}`),
    conditions: list(args, 'args').map(condition),
    only: scope(rest.includes),
    not: scope(rest.excludes),
  };
}

/** The architecture of this machine and those that it runs besides. */
function conventions({ architectures, archMap }: Json): readonly string[] {
  const pairs = list(archMap, 'archMap').map((each) => object(each, 'archMap'));
  return [
    ...texts(architectures, 'architectures'),
    ...pairs.flatMap(({ architecture, subArchitectures }) => [
      text(architecture, 'architecture'),
      ...texts(subArchitectures, 'subArchitectures'),
    ]),
  ];
}

/** @param json the text of a file such as moby's seccomp/default.json */
export function parseProfile(json: string): Profile | BadProfile {
  try {
    const profile = object(JSON.parse(json), 'a profile');
    const { defaultAction, defaultErrnoRet, defaultErrno, syscalls, listenerPath } = profile;
    if (typeof listenerPath === 'string' && listenerPath !== '')
      throw new Wrong('listenerPath: wiac tells nobody of system calls');
    return {
      otherwise: action(defaultAction, defaultErrnoRet, defaultErrno, 'defaultAction'),
      conventions: conventions(profile),
      rules: list(syscalls, 'syscalls').map(rule),
    };
  } catch (error) {
    if (error instanceof Wrong || error instanceof SyntaxError) return { wrong: error.message };
    throw error;
  }
}
