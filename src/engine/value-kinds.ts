/**
 * Kinds of values, for programs that no compiler has checked. JavaScript would go on with a wrong one: a limit
 * that is no number removes everything, a misspelt mode means the default.
 */
import { UsageError } from '../util/errors.js';

/** @returns what is wrong with a value, for the end of a sentence that begins with its name */
export type Kind = (value: unknown, name: string) => string | undefined;

/** Members of an object. Those that are not named here are not looked at. */
export type Members = Readonly<Record<string, Kind>>;

function shown(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? typeof value;
  return Array.isArray(value) ? 'a list' : 'an object';
}

function kind(says: string, fits: (value: unknown) => boolean): Kind {
  return (value, name) =>
    fits(value) ? undefined : `${name} has to be ${says}, not ${shown(value)}`;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const anyText = kind('a string', (value) => typeof value === 'string');
/** No name of a file, and nothing that a program is given, can have a NUL. */
export const text = kind(
  'a string without NUL',
  (value) => typeof value === 'string' && !value.includes('\0'),
);
export const flag = kind('true or false', (value) => typeof value === 'boolean');
export const amount = kind(
  'a number of at least 0',
  (value) => typeof value === 'number' && value >= 0,
);
export const number = kind(
  'a number',
  (value) => typeof value === 'number' && !Number.isNaN(value),
);
export const count = kind(
  'a whole number of at least 1',
  (value) => Number.isSafeInteger(value) && Number(value) >= 1,
);
export const call = kind('a function', (value) => typeof value === 'function');
export const anObject = kind('an object', isObject);
export const signal = kind(
  'an AbortSignal',
  (value) => isObject(value) && typeof value.throwIfAborted === 'function',
);

export function oneOf(...values: readonly string[]): Kind {
  return kind(`one of ${values.join(', ')}`, (value) => values.includes(value as string));
}

export function either(one: Kind, other: Kind): Kind {
  return (value, name) => one(value, name) && other(value, name);
}

export function optional(one: Kind): Kind {
  return (value, name) => (value === undefined ? undefined : one(value, name));
}

export function listOf(one: Kind): Kind {
  const list = kind('a list', Array.isArray);
  return (value, name) =>
    list(value, name) ??
    (value as unknown[])
      .map((item, at) => one(item, `${name}[${at}]`))
      .find((problem) => problem !== undefined);
}

/** A list that says nothing when it is empty. */
export function someOf(one: Kind): Kind {
  const list = listOf(one);
  return (value, name) =>
    list(value, name) ??
    ((value as unknown[]).length === 0 ? `${name} has to have an item` : undefined);
}

export function mapOf(one: Kind): Kind {
  return (value, name) =>
    anObject(value, name) ??
    Object.entries(value as object)
      .map(([key, item]) => one(item, `${name}.${key}`))
      .find((problem) => problem !== undefined);
}

/** @param known nothing but these members may be there, where a misspelt one would do harm */
export function having(members: Members, known?: 'only'): Kind {
  return (value, name) => {
    const problem = anObject(value, name);
    if (problem !== undefined) return problem;
    const given = value as Readonly<Record<string, unknown>>;
    const other = Object.keys(given).find((key) => !Object.hasOwn(members, key));
    if (known && other !== undefined)
      return `${name} has no ${other}: it has ${Object.keys(members).join(', ')}`;
    return Object.entries(members)
      .map(([key, one]) => one(given[key], `${name}.${key}`))
      .find((each) => each !== undefined);
  };
}

/** @throws UsageError for the first argument that is not of its kind */
export function requireKinds(
  title: string,
  kinds: Readonly<Record<string, Kind>>,
  given: readonly unknown[],
): void {
  for (const [at, [name, one]] of Object.entries(kinds).entries()) {
    const problem = one(given[at], name);
    if (problem !== undefined) throw new UsageError(`${title}: ${problem}`);
  }
}
