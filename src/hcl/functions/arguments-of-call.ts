/** Reads the arguments of functions. */
import type { HclFunction } from '../evaluate.js';
import { CallError } from '../evaluate.js';
import type { Value } from '../hcl-value.js';
import { asBoolean, asNumber, asText, isList, isMap, kindOf } from '../hcl-value.js';

/** The arguments of one call, each read as what it has to be. */
export interface Arguments {
  readonly all: readonly Value[];
  readonly any: (at: number) => Value;
  readonly text: (at: number) => string;
  readonly number: (at: number) => number;
  readonly integer: (at: number) => number;
  readonly boolean: (at: number) => boolean;
  readonly list: (at: number) => readonly Value[];
  readonly texts: (at: number) => readonly string[];
  readonly map: (at: number) => ReadonlyMap<string, Value>;
}

function wrong(at: number, value: Value, wanted: string): CallError {
  return new CallError(`argument ${at + 1} is a ${kindOf(value)}, not a ${wanted}`);
}

/** A list's strings. @throws CallError */
function textsOf(at: number, items: readonly Value[]): readonly string[] {
  return items.map((item) => {
    const text = asText(item);
    if (text === undefined) throw wrong(at, item, 'string');
    return text;
  });
}

function readArguments(all: readonly Value[]): Arguments {
  const any = (at: number): Value => all[at] ?? null;
  const read =
    <T>(wanted: string, as: (value: Value) => T | undefined) =>
    (at: number): T => {
      const found = as(any(at));
      if (found === undefined) throw wrong(at, any(at), wanted);
      return found;
    };
  const list = read('list', (value) => (isList(value) ? value : undefined));
  return {
    all,
    any,
    text: read('string', asText),
    number: read('number', asNumber),
    integer: read('whole number', (value) => {
      const number = asNumber(value);
      return Number.isInteger(number) ? number : undefined;
    }),
    boolean: read('bool', asBoolean),
    list,
    texts: (at) => textsOf(at, list(at)),
    map: read('map', (value) => (isMap(value) ? value : undefined)),
  };
}

/**
 * A function of a fixed number of arguments, or of at least so many.
 * @param most Infinity: any number
 */
export function fn(
  least: number,
  call: (args: Arguments) => Value,
  most: number = least,
): HclFunction {
  return {
    call: (values) => {
      if (values.length < least || values.length > most) {
        const wanted = least === most ? `${least}` : `at least ${least}`;
        throw new CallError(`it has ${wanted} arguments, not ${values.length}`);
      }
      return call(readArguments(values));
    },
  };
}

/** Functions by their names. */
export type Functions = Readonly<Record<string, HclFunction>>;
