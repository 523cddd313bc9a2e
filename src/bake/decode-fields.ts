/** From values of expressions to fields of a target. */
import type { Value } from '../hcl/hcl-value.js';
import { asBoolean, asText, isList, isMap, kindOf } from '../hcl/hcl-value.js';
import type { Entry, EntryField, FieldName, FieldValue } from './bake-target.js';
import { FIELDS } from './bake-target.js';
import { entryOfObject, FieldError, parseEntry } from './field-entries.js';

function wrong(field: string, value: Value, wanted: string): FieldError {
  return new FieldError(`${field} is a ${kindOf(value)}, not ${wanted}`);
}

function toText(field: string, value: Value): string {
  const text = asText(value);
  if (text === undefined) throw wrong(field, value, 'a string');
  return text;
}

/** `1` and `"always"` are in examples of buildx's own reference. */
function toSwitch(field: string, value: Value): boolean {
  const given =
    value === 'always' ? true : asBoolean(typeof value === 'number' ? `${value}` : value);
  if (given === undefined) throw wrong(field, value, 'true or false');
  return given;
}

/** What is null is left out, as `CONDITION ? VALUE : null` wants it. */
function toItems(field: string, value: Value): readonly Value[] {
  if (!isList(value)) throw wrong(field, value, 'a list');
  return value.filter((item) => item !== null);
}

function toWords(field: string, value: Value): ReadonlyMap<string, string | null> {
  if (!isMap(value)) throw wrong(field, value, 'a map');
  return new Map(
    [...value].map(([name, item]) => [
      name,
      item === null ? null : toText(`${field}.${name}`, item),
    ]),
  );
}

function toEntry(field: EntryField, value: Value): Entry {
  if (typeof value === 'string') return parseEntry(field, value);
  if (!isMap(value)) throw wrong(field, value, 'a string or an object');
  const members = [...value].flatMap(([name, item]): [string, string][] => {
    if (item === null) return [];
    if (isList(item)) return [[name, item.map((each) => toText(name, each)).join(',')]];
    return [[name, toText(`${field}.${name}`, item)]];
  });
  return entryOfObject(field, new Map(members));
}

/**
 * A field's value. @returns undefined for null, which is as if the field were not there
 * @throws FieldError
 */
export function decodeField(name: FieldName, value: Value): FieldValue | undefined {
  if (value === null) return undefined;
  const { kind } = FIELDS[name];
  switch (kind) {
    case 'text':
      return toText(name, value);
    case 'switch':
      return toSwitch(name, value);
    case 'texts':
      return toItems(name, value).map((item) => toText(name, item));
    case 'words':
      return toWords(name, value);
    case 'entries': {
      // An empty string is no entry: `CONDITION ? VALUE : ""`.
      const items = toItems(name, value).filter((item) => item !== '');
      return items.map((item) => toEntry(name as EntryField, item));
    }
  }
}
