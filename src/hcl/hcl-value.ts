/** Values of HCL expressions. Lists, tuples and sets are arrays, maps and objects are maps. */

export type Value =
  | null
  | boolean
  | number
  | string
  | readonly Value[]
  | ReadonlyMap<string, Value>;

/** What kind of value it is, in the words of HCL. */
export type Kind = 'null' | 'bool' | 'number' | 'string' | 'list' | 'map';

/** The kind of a value. */
export function kindOf(value: Value): Kind {
  if (value === null) return 'null';
  if (isList(value)) return 'list';
  if (isMap(value)) return 'map';
  if (typeof value === 'boolean') return 'bool';
  return typeof value === 'number' ? 'number' : 'string';
}

/** Is it a list, a tuple or a set? */
export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

/** Is it a map or an object? */
export function isMap(value: Value): value is ReadonlyMap<string, Value> {
  return value instanceof Map;
}

/** Compares as HCL sorts: by bytes of UTF-8, which is the order of code points. */
export function compareText(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  for (const [at, char] of left.entries()) {
    const other = right[at];
    if (other === undefined) return 1;
    if (char !== other) return (char.codePointAt(0) ?? 0) - (other.codePointAt(0) ?? 0);
  }
  return left.length - right.length;
}

/** The entries of a map in the order in which HCL goes through it: that of the keys. */
export function sortedEntries<T>(map: ReadonlyMap<string, T>): [string, T][] {
  return [...map].sort(([a], [b]) => compareText(a, b));
}

/** The digits that a number surely has: 0.1 + 0.2 is 0.3, as where there are more of them. */
const SURE_DIGITS = 15;

/** Digits as HCL writes them: never with an exponent. */
export function formatNumber(value: number): string {
  if (Number.isInteger(value)) return BigInt(value).toString();
  const text = String(Number(value.toPrecision(SURE_DIGITS)));
  const [, sign, first, rest = '', places] = /^(-?)(\d)(?:\.(\d+))?e-(\d+)$/.exec(text) ?? [];
  return places === undefined ? text : `${sign}0.${'0'.repeat(Number(places) - 1)}${first}${rest}`;
}

/** A number that is written in a string; undefined: it is none. */
export function parseNumber(text: string): number | undefined {
  if (!/^-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/.test(text)) return undefined;
  return Number(text);
}

/** A primitive value as a string; undefined for lists, maps and null. */
export function asText(value: Value): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return formatNumber(value);
  return typeof value === 'boolean' ? String(value) : undefined;
}

/** A value as a number; undefined: it is none. */
export function asNumber(value: Value): number | undefined {
  if (typeof value === 'number') return value;
  return typeof value === 'string' ? parseNumber(value) : undefined;
}

/** A value as a truth value; undefined: it is none. */
export function asBoolean(value: Value): boolean | undefined {
  if (typeof value === 'boolean') return value;
  if (value === 'true' || value === '1') return true;
  return value === 'false' || value === '0' ? false : undefined;
}

/** Are they the same, member by member? */
export function isSame(a: Value, b: Value): boolean {
  if (isList(a) && isList(b))
    return a.length === b.length && a.every((item, at) => isSame(item, b[at] ?? null));
  if (isMap(a) && isMap(b))
    return (
      a.size === b.size &&
      [...a].every(([key, item]) => b.has(key) && isSame(item, b.get(key) ?? null))
    );
  return a === b;
}

/** Without those that come again. */
export function withoutSame(values: readonly Value[]): Value[] {
  const kept: Value[] = [];
  for (const value of values) if (!kept.some((other) => isSame(other, value))) kept.push(value);
  return kept;
}

/** JSON's values as HCL has them. */
export function fromJson(json: unknown): Value {
  if (Array.isArray(json)) return json.map(fromJson);
  if (typeof json === 'object' && json !== null)
    return new Map(Object.entries(json).map(([key, value]) => [key, fromJson(value)]));
  return json as Value;
}

/** As JSON, the keys in their order. */
export function toJson(value: Value): string {
  if (isList(value)) return `[${value.map(toJson).join(',')}]`;
  if (isMap(value)) {
    const members = sortedEntries(value).map(
      ([key, item]) => `${JSON.stringify(key)}:${toJson(item)}`,
    );
    return `{${members.join(',')}}`;
  }
  return typeof value === 'number' ? formatNumber(value) : JSON.stringify(value);
}
