/** Types as they are written, `list(string)`, and values that are made to fit them. */
import type { Expression } from './hcl-ast.js';
import type { Place } from './hcl-source.js';
import { hclError } from './hcl-source.js';
import type { Value } from './hcl-value.js';
import {
  asBoolean,
  asNumber,
  asText,
  compareText,
  isList,
  isMap,
  kindOf,
  withoutSame,
} from './hcl-value.js';

export type Type =
  | { readonly kind: 'string' | 'number' | 'bool' | 'any' }
  | { readonly kind: 'list' | 'set' | 'map'; readonly of: Type }
  | { readonly kind: 'tuple'; readonly items: readonly Type[] }
  | {
      readonly kind: 'object';
      readonly members: ReadonlyMap<string, { readonly type: Type; readonly optional: boolean }>;
    };

const HINT = 'string, number, bool, any, list(T), set(T), map(T), tuple([T]), object({name = T})';

function refuse(place: Place): never {
  throw hclError('that is no type', place, HINT);
}

/** Reads a type. @throws BakeFileError */
export function parseType(expression: Expression): Type {
  const { place } = expression;
  if (expression.kind === 'variable') {
    const { name } = expression;
    if (name === 'string' || name === 'number' || name === 'bool' || name === 'any')
      return { kind: name };
    return refuse(place);
  }
  if (expression.kind !== 'call') return refuse(place);
  const { name, args } = expression;
  const [only] = args;
  if (!only || args.length > 1) return refuse(place);
  if (name === 'list' || name === 'set' || name === 'map')
    return { kind: name, of: parseType(only) };
  if (name === 'tuple' && only.kind === 'tuple')
    return { kind: 'tuple', items: only.items.map(parseType) };
  if (name !== 'object' || only.kind !== 'object') return refuse(place);
  const members = only.entries.map(([key, value]) => {
    if (key.kind !== 'literal') return refuse(key.place);
    const isOptional = value.kind === 'call' && value.name === 'optional';
    const inner = isOptional ? value.args[0] : value;
    if (!inner) return refuse(value.place);
    return [String(key.value), { type: parseType(inner), optional: isOptional }] as const;
  });
  return { kind: 'object', members: new Map(members) };
}

/** A type as it is written. */
export function formatType(type: Type): string {
  switch (type.kind) {
    case 'list':
    case 'set':
    case 'map':
      return `${type.kind}(${formatType(type.of)})`;
    case 'tuple':
      return `tuple([${type.items.map(formatType).join(', ')}])`;
    case 'object': {
      const members = [...type.members].map(
        ([name, member]) => `${name} = ${formatType(member.type)}`,
      );
      return `object({${members.join(', ')}})`;
    }
    default:
      return type.kind;
  }
}

/** A value does not fit its type. */
export class TypeMismatch extends Error {}

function mismatch(value: Value, type: Type): never {
  throw new TypeMismatch(`a ${kindOf(value)} is no ${formatType(type)}`);
}

/** The value as the type has it. @throws TypeMismatch */
export function convertValue(value: Value, type: Type): Value {
  if (value === null || type.kind === 'any') return value;
  switch (type.kind) {
    case 'string':
      return asText(value) ?? mismatch(value, type);
    case 'number':
      return asNumber(value) ?? mismatch(value, type);
    case 'bool':
      return (typeof value === 'number' ? undefined : asBoolean(value)) ?? mismatch(value, type);
    case 'list':
      if (!isList(value)) return mismatch(value, type);
      return value.map((item) => convertValue(item, type.of));
    case 'set': {
      if (!isList(value)) return mismatch(value, type);
      const items = withoutSame(value.map((item) => convertValue(item, type.of)));
      return items.every((item) => typeof item === 'string') ? items.sort(compareText) : items;
    }
    case 'map':
      if (!isMap(value)) return mismatch(value, type);
      return new Map([...value].map(([key, item]) => [key, convertValue(item, type.of)]));
    case 'tuple':
      if (!isList(value) || value.length !== type.items.length) return mismatch(value, type);
      return type.items.map((item, at) => convertValue(value[at] ?? null, item));
    case 'object': {
      if (!isMap(value)) return mismatch(value, type);
      return new Map(
        [...type.members].map(([name, { type: inner, optional }]) => {
          const item = value.get(name);
          if (item === undefined && !optional) throw new TypeMismatch(`the object has no ${name}`);
          return [name, convertValue(item ?? null, inner)];
        }),
      );
    }
  }
}
