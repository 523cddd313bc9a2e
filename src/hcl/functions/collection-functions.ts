/** Functions on lists and maps. */
import { CallError } from '../evaluate.js';
import type { Value } from '../hcl-value.js';
import {
  asText,
  compareText,
  isList,
  isMap,
  isSame,
  sortedEntries,
  withoutSame,
} from '../hcl-value.js';
import type { Arguments, Functions } from './arguments-of-call.js';
import { fn } from './arguments-of-call.js';

/** A list of more elements is a mistake. */
const MAX_LENGTH = 1024;

function flatten(items: readonly Value[]): Value[] {
  return items.flatMap((item) => (isList(item) ? flatten(item) : [item]));
}

function chunks(items: readonly Value[], size: number): Value[] {
  if (size < 0) throw new CallError('a chunk has no negative size');
  if (size === 0) return items.length === 0 ? [] : [items];
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) =>
    items.slice(at * size, (at + 1) * size),
  );
}

/** `range(end)`, `range(start, end)`, `range(start, end, step)` */
function range({ all, number }: Arguments): Value {
  const [start, end] = all.length === 1 ? [0, number(0)] : [number(0), number(1)];
  const step = all.length === 3 ? number(2) : end < start ? -1 : 1;
  if (step === 0 || (step > 0 && end < start) || (step < 0 && end > start))
    throw new CallError('the step does not lead to the end');
  const length = Math.ceil((end - start) / step);
  if (length > MAX_LENGTH) throw new CallError(`more than ${MAX_LENGTH} numbers`);
  return Array.from({ length }, (_, at) => start + at * step);
}

function lookUp(from: Value, key: Value): Value | undefined {
  if (isMap(from)) return from.get(asText(key) ?? '');
  if (isList(from)) return from[Number(asText(key) ?? Number.NaN)];
  throw new CallError('argument 1 is neither a list nor a map');
}

function element(items: readonly Value[], at: number): Value {
  if (items.length === 0) throw new CallError('the list is empty');
  const found = items[((at % items.length) + items.length) % items.length];
  return found ?? null;
}

function slice(items: readonly Value[], start: number, end: number): Value {
  if (start < 0 || end > items.length || start > end)
    throw new CallError(`${start} to ${end} is not in a list of ${items.length}`);
  return items.slice(start, end);
}

function zip(keys: readonly string[], values: readonly Value[]): Value {
  if (keys.length !== values.length)
    throw new CallError(`${keys.length} keys and ${values.length} values`);
  return new Map(keys.map((key, at) => [key, values[at] ?? null]));
}

function product(lists: readonly (readonly Value[])[]): Value[][] {
  return lists.reduce<Value[][]>(
    (made, list) => {
      if (made.length * list.length > MAX_LENGTH * MAX_LENGTH)
        throw new CallError('too many pairs');
      return made.flatMap((before) => list.map((item) => [...before, item]));
    },
    [[]],
  );
}

function has(items: readonly Value[], value: Value): boolean {
  return items.some((item) => isSame(item, value));
}

/** As a set is gone through. */
function asSet(items: readonly Value[]): Value[] {
  const once = withoutSame(items);
  if (once.every((item) => typeof item === 'string')) return once.sort(compareText);
  return once.every((item) => typeof item === 'number') ? once.sort((a, b) => a - b) : once;
}

function lists({ all, list }: Arguments): (readonly Value[])[] {
  return all.map((_, at) => list(at));
}

export const COLLECTION_FUNCTIONS: Functions = {
  length: fn(1, ({ any, list }) => {
    const value = any(0);
    return isMap(value) ? value.size : list(0).length;
  }),
  keys: fn(1, ({ map }) => sortedEntries(map(0)).map(([key]) => key)),
  values: fn(1, ({ map }) => sortedEntries(map(0)).map(([, value]) => value)),
  merge: fn(
    0,
    ({ all, map }) => new Map(all.flatMap((value, at) => (value === null ? [] : [...map(at)]))),
    Infinity,
  ),
  zipmap: fn(2, ({ texts, list }) => zip(texts(0), list(1))),
  lookup: fn(
    2,
    ({ all, any, map }) => {
      const found = map(0).get(asText(any(1)) ?? '');
      if (found === undefined && all.length < 3)
        throw new CallError(`the map has no ${asText(any(1))}`);
      return found ?? any(2);
    },
    3,
  ),
  index: fn(2, ({ any }) => {
    const found = lookUp(any(0), any(1));
    if (found === undefined) throw new CallError(`there is no element ${asText(any(1))}`);
    return found;
  }),
  hasindex: fn(2, ({ any }) => lookUp(any(0), any(1)) !== undefined),
  indexof: fn(2, ({ any, list }) => {
    const at = list(0).findIndex((item) => isSame(item, any(1)));
    if (at === -1) throw new CallError('the list has no such value');
    return at;
  }),
  element: fn(2, ({ list, integer }) => element(list(0), integer(1))),
  contains: fn(2, ({ list, any }) => has(list(0), any(1))),
  concat: fn(1, (args) => lists(args).flat(), Infinity),
  flatten: fn(1, ({ list }) => flatten(list(0))),
  compact: fn(1, ({ list }) => list(0).filter((item) => item !== '' && item !== null)),
  distinct: fn(1, ({ list }) => withoutSame(list(0))),
  reverselist: fn(1, ({ list }) => [...list(0)].reverse()),
  slice: fn(3, ({ list, integer }) => slice(list(0), integer(1), integer(2))),
  sort: fn(1, ({ texts }) => [...texts(0)].sort(compareText)),
  chunklist: fn(2, ({ list, integer }) => chunks(list(0), integer(1))),
  range: fn(1, range, 3),
  coalesce: fn(
    1,
    ({ all }) => {
      const found = all.find((value) => value !== null);
      if (found === undefined) throw new CallError('all arguments are null');
      return found;
    },
    Infinity,
  ),
  coalescelist: fn(
    1,
    (args) => {
      const found = args.all.find((value) => isList(value) && value.length > 0);
      if (found === undefined) throw new CallError('all lists are empty');
      return found;
    },
    Infinity,
  ),
  sethaselement: fn(2, ({ list, any }) => has(list(0), any(1))),
  setunion: fn(1, (args) => asSet(lists(args).flat()), Infinity),
  setintersection: fn(
    1,
    (args) => {
      const [first = [], ...others] = lists(args);
      return asSet(first.filter((item) => others.every((other) => has(other, item))));
    },
    Infinity,
  ),
  setsubtract: fn(2, ({ list }) => asSet(list(0).filter((item) => !has(list(1), item)))),
  setsymmetricdifference: fn(
    1,
    (args) =>
      asSet(
        lists(args).reduce<readonly Value[]>(
          (made, next) => [
            ...made.filter((item) => !has(next, item)),
            ...next.filter((item) => !has(made, item)),
          ],
          [],
        ),
      ),
    Infinity,
  ),
  setproduct: fn(2, (args) => product(lists(args)), Infinity),
};
