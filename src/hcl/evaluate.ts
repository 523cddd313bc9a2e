/** What expressions come to. */
import type { BakeFileError } from '../util/errors.js';
import type { Expression, ForExpression, TemplatePart } from './hcl-ast.js';
import { SPLAT_ITEM } from './hcl-ast.js';
import type { Place } from './hcl-source.js';
import { hclError } from './hcl-source.js';
import type { Value } from './hcl-value.js';
import {
  asBoolean,
  asNumber,
  asText,
  isList,
  isMap,
  isSame,
  kindOf,
  sortedEntries,
} from './hcl-value.js';

/** What is wrong with the arguments of a function; whoever calls it adds the place. */
export class CallError extends Error {}

/** A function that an expression may call. */
export type HclFunction =
  | { readonly call: (args: readonly Value[]) => Value }
  /** Takes its arguments as they are written: try, can, convert. */
  | {
      readonly evaluate: (args: readonly Expression[], scope: Scope, place: Place) => Value;
    };

/** The names that an expression may use. */
export interface Scope {
  /** Undefined: there is none of that name. */
  readonly variable: (name: string) => Value | undefined;
  readonly fn: (name: string) => HclFunction | undefined;
  /** `target.NAME.ATTRIBUTE` and the like; undefined: the words mean a variable. */
  readonly member?: (path: readonly string[], place: Place) => Value | undefined;
  /** For a message about a name that is not there. */
  readonly hint?: (name: string, what: 'variable' | 'function') => string | undefined;
}

/** The same scope with further variables. */
export function withVariables(scope: Scope, names: ReadonlyMap<string, Value>): Scope {
  return {
    ...scope,
    variable: (name) => (names.has(name) ? names.get(name) : scope.variable(name)),
    member: (path, place) => {
      const [first = ''] = path;
      return names.has(first) ? undefined : scope.member?.(path, place);
    },
  };
}

/** @throws BakeFileError */
export function evaluate(expression: Expression, scope: Scope): Value {
  const { place } = expression;
  switch (expression.kind) {
    case 'literal':
      return expression.value;
    case 'template':
      return evaluateTemplate(expression.parts, scope);
    case 'variable':
      return getVariable(expression.name, scope, place);
    case 'call':
      return callFunction(expression, scope);
    case 'index': {
      const path = getPath(expression);
      const member = path && scope.member?.(path, place);
      if (member !== undefined) return member;
      const key = evaluate(expression.key, scope);
      return getElement(evaluate(expression.from, scope), key, expression.key.place);
    }
    case 'splat': {
      const from = evaluate(expression.from, scope);
      if (from === null) return [];
      const items = isList(from) ? from : [from];
      return items.map((item) =>
        evaluate(expression.each, withVariables(scope, new Map([[SPLAT_ITEM, item]]))),
      );
    }
    case 'unary': {
      const operand = evaluate(expression.operand, scope);
      if (expression.operator === '!') return !wantBoolean(operand, place);
      return -wantNumber(operand, place);
    }
    case 'binary':
      return evaluateBinary(expression, scope);
    case 'conditional': {
      const isTrue = wantBoolean(evaluate(expression.condition, scope), expression.condition.place);
      return evaluate(isTrue ? expression.yes : expression.no, scope);
    }
    case 'tuple':
      return expression.items.map((item) => evaluate(item, scope));
    case 'object': {
      const made = new Map<string, Value>();
      for (const [key, value] of expression.entries)
        made.set(wantText(evaluate(key, scope), key.place), evaluate(value, scope));
      return made;
    }
    case 'for':
      return evaluateFor(expression, scope);
  }
}

/** The words of `a.b["c"]`; undefined for anything else. */
function getPath(expression: Expression): readonly string[] | undefined {
  if (expression.kind === 'variable') return [expression.name];
  if (expression.kind !== 'index' || expression.key.kind !== 'literal') return undefined;
  const { value } = expression.key;
  const before = getPath(expression.from);
  return before && typeof value === 'string' ? [...before, value] : undefined;
}

function getVariable(name: string, scope: Scope, place: Place): Value {
  const value = scope.variable(name);
  if (value !== undefined) return value;
  throw hclError(`there is no variable ${name}`, place, scope.hint?.(name, 'variable'));
}

function wrongKind(value: Value, wanted: string, place: Place): BakeFileError {
  return hclError(`a ${kindOf(value)} where a ${wanted} is needed`, place);
}

function wantBoolean(value: Value, place: Place): boolean {
  const found = asBoolean(value);
  if (found === undefined) throw wrongKind(value, 'bool', place);
  return found;
}

function wantNumber(value: Value, place: Place): number {
  const found = asNumber(value);
  if (found === undefined) throw wrongKind(value, 'number', place);
  return found;
}

function wantText(value: Value, place: Place): string {
  const found = asText(value);
  if (found === undefined) throw wrongKind(value, 'string', place);
  return found;
}

/** An element of a list by number, or of a map by key. @throws BakeFileError */
function getElement(from: Value, key: Value, place: Place): Value {
  if (isMap(from)) {
    const name = wantText(key, place);
    const found = from.get(name);
    if (found !== undefined) return found;
    const known = [...from.keys()].sort().join(', ');
    throw hclError(
      `there is no ${name} in it`,
      place,
      known === '' ? undefined : `it has ${known}`,
    );
  }
  if (isList(from)) {
    const found = from[wantNumber(key, place)];
    if (found !== undefined) return found;
    throw hclError(`there is no element ${asText(key)} in a list of ${from.length}`, place);
  }
  throw hclError(`a ${kindOf(from)} has no elements`, place);
}

/** One value alone is what it is; all others become text. */
function evaluateTemplate(parts: readonly TemplatePart[], scope: Scope): Value {
  const [only] = parts;
  if (parts.length === 1 && only?.kind === 'value') return evaluate(only.value, scope);
  return renderParts(parts, scope);
}

function renderParts(parts: readonly TemplatePart[], scope: Scope): string {
  return parts.map((part) => renderPart(part, scope)).join('');
}

function renderPart(part: TemplatePart, scope: Scope): string {
  switch (part.kind) {
    case 'text':
      return part.text;
    case 'value': {
      const value = evaluate(part.value, scope);
      const text = asText(value);
      if (text !== undefined) return text;
      throw hclError(
        `a ${kindOf(value)} can't be put into text`,
        part.value.place,
        value === null ? 'give the variable a default' : 'join(",", LIST) makes text of a list',
      );
    }
    case 'if': {
      const { condition, yes, no } = part;
      const isTrue = wantBoolean(evaluate(condition, scope), condition.place);
      return renderParts(isTrue ? yes : no, scope);
    }
    case 'for':
      return getItems(evaluate(part.collection, scope), part.collection.place)
        .map(([key, item]) => renderParts(part.body, withVariables(scope, named(part, key, item))))
        .join('');
  }
}

/** Keys and values to go through. */
function getItems(collection: Value, place: Place): [Value, Value][] {
  if (isMap(collection)) return sortedEntries(collection);
  if (isList(collection)) return collection.map((item, at) => [at, item]);
  throw hclError(`a ${kindOf(collection)} can't be gone through by for`, place);
}

function named(
  { key: keyName, item: itemName }: { key: string | undefined; item: string },
  key: Value,
  item: Value,
): ReadonlyMap<string, Value> {
  const names = new Map([[itemName, item]]);
  return keyName === undefined ? names : names.set(keyName, key);
}

function evaluateFor(expression: ForExpression, scope: Scope): Value {
  const { collection, condition, keyed, value, grouped, place } = expression;
  const scopes = getItems(evaluate(collection, scope), collection.place)
    .map(([key, item]) => withVariables(scope, named(expression, key, item)))
    .filter((inner) => !condition || wantBoolean(evaluate(condition, inner), condition.place));
  if (!keyed) return scopes.map((inner) => evaluate(value, inner));
  const made = new Map<string, Value>();
  for (const inner of scopes) {
    const key = wantText(evaluate(keyed, inner), keyed.place);
    const item = evaluate(value, inner);
    const before = made.get(key);
    if (grouped) made.set(key, [...(before !== undefined && isList(before) ? before : []), item]);
    else if (before !== undefined)
      throw hclError(
        `the key ${key} comes twice`,
        place,
        'write ... after the value to group them',
      );
    else made.set(key, item);
  }
  return made;
}

function evaluateBinary(
  { operator, left, right, place }: Expression & { kind: 'binary' },
  scope: Scope,
): Value {
  const first = evaluate(left, scope);
  if (operator === '||' || operator === '&&') {
    const isTrue = wantBoolean(first, left.place);
    // As in HCL both sides have to be right, whatever the first one is.
    const second = wantBoolean(evaluate(right, scope), right.place);
    return operator === '||' ? isTrue || second : isTrue && second;
  }
  const second = evaluate(right, scope);
  if (operator === '==') return isSame(first, second);
  if (operator === '!=') return !isSame(first, second);
  const a = wantNumber(first, left.place);
  const b = wantNumber(second, right.place);
  switch (operator) {
    case '<':
      return a < b;
    case '>':
      return a > b;
    case '<=':
      return a <= b;
    case '>=':
      return a >= b;
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    default:
      if (b === 0) throw hclError('division by zero', place);
      return operator === '/' ? a / b : a % b;
  }
}

function callFunction(expression: Expression & { kind: 'call' }, scope: Scope): Value {
  const { name, args, expanded, place } = expression;
  const fn = scope.fn(name);
  if (!fn) throw hclError(`there is no function ${name}`, place, scope.hint?.(name, 'function'));
  if ('evaluate' in fn) return fn.evaluate(args, scope, place);
  const values = args.map((arg) => evaluate(arg, scope));
  const last = values.at(-1);
  if (expanded) {
    if (last === undefined || !isList(last))
      throw hclError('... stands after a list', args.at(-1)?.place ?? place);
    values.splice(-1, 1, ...last);
  }
  try {
    return fn.call(values);
  } catch (error) {
    if (error instanceof CallError) throw hclError(`${name}: ${error.message}`, place);
    throw error;
  }
}
