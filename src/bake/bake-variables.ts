/** Variables of bake files: default, type, what the environment says, validation. */
import type { Scope } from '../hcl/evaluate.js';
import { evaluate, withVariables } from '../hcl/evaluate.js';
import type { Attribute, Block } from '../hcl/hcl-ast.js';
import type { Place } from '../hcl/hcl-source.js';
import { hclError } from '../hcl/hcl-source.js';
import type { Value } from '../hcl/hcl-value.js';
import { asBoolean, asText, fromJson, parseNumber } from '../hcl/hcl-value.js';
import type { Type } from '../hcl/type-constraints.js';
import { convertValue, formatType, parseType, TypeMismatch } from '../hcl/type-constraints.js';
import { splitCsv } from '../util/csv-attributes.js';

/** The declared type. @throws BakeFileError */
export function variableType({ body }: Block): Type | undefined {
  const written = body.attributes.get('type');
  return written && parseType(written.value);
}

/** The type of a value that was declared without one. */
function typeOf(value: Value): Type {
  if (typeof value === 'boolean') return { kind: 'bool' };
  if (typeof value === 'number') return { kind: 'number' };
  return value === null || typeof value === 'string' ? { kind: 'string' } : { kind: 'any' };
}

function parseJson(text: string): Value {
  try {
    return fromJson(JSON.parse(text));
  } catch (error) {
    throw new TypeMismatch(`that is no JSON: ${(error as Error).message}`);
  }
}

function parseCsv(text: string, type: Type): Value {
  const fields = splitCsv(text);
  if (!fields) throw new TypeMismatch('misplaced double quote');
  if (type.kind !== 'map') return text === '' ? [] : fields;
  const pairs = fields.map((field): [string, string] => {
    const at = field.indexOf('=');
    if (at === -1) throw new TypeMismatch(`'${field}' is no NAME=VALUE`);
    return [field.slice(0, at), field.slice(at + 1)];
  });
  return new Map(pairs);
}

/** A value of the environment. @throws TypeMismatch */
function parseGiven(text: string, type: Type): Value {
  switch (type.kind) {
    case 'string':
      return text;
    case 'bool':
    case 'number': {
      const value = type.kind === 'bool' ? asBoolean(text) : parseNumber(text);
      if (value === undefined) throw new TypeMismatch(`${JSON.stringify(text)} is no ${type.kind}`);
      return value;
    }
    default:
      return convertValue(/^\s*[[{]/.test(text) ? parseJson(text) : parseCsv(text, type), type);
  }
}

/** What the environment says of a variable: itself, or with _JSON or _CSV behind the name. */
function givenValue(
  name: string,
  type: Type,
  environment: Readonly<Record<string, string | undefined>>,
): Value | undefined {
  const { [name]: plain, [`${name}_JSON`]: json, [`${name}_CSV`]: csv } = environment;
  if (plain !== undefined) return parseGiven(plain, type);
  const isSimple = ['string', 'bool', 'number'].includes(type.kind);
  if (isSimple) return undefined;
  if (json !== undefined) return convertValue(parseJson(json), type);
  return csv === undefined ? undefined : convertValue(parseCsv(csv, type), type);
}

/** @throws BakeFileError for a value that is not what the variable declares */
function fitting<T>(name: string, place: Place, from: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof TypeMismatch) throw hclError(`${name}: ${from} ${error.message}`, place);
    throw error;
  }
}

function validate(name: string, value: Value, { body }: Block, scope: Scope): void {
  const inner = withVariables(scope, new Map([[name, value]]));
  for (const { type, body: rule, place } of body.blocks) {
    if (type !== 'validation') continue;
    const condition = rule.attributes.get('condition');
    if (!condition) throw hclError('a validation has a condition', place);
    const isValid = asBoolean(evaluate(condition.value, inner));
    if (isValid === undefined) throw hclError('a condition is true or false', condition.place);
    if (isValid) continue;
    const message = rule.attributes.get('error_message');
    const told = message && asText(evaluate(message.value, inner));
    throw hclError(`${name}: ${told || 'its value is not valid'}`, condition.place);
  }
}

/**
 * The value of a variable: that of the environment before its default. Without either it is empty, or null if
 * it has a type.
 * @param constant an attribute of the files with its name, which counts before its own default
 * @throws BakeFileError
 */
export function variableValue(
  block: Block,
  scope: Scope,
  { environment }: { readonly environment: Readonly<Record<string, string | undefined>> },
  constant?: Attribute,
): Value {
  const { body, labels, place } = block;
  const [name = ''] = labels;
  const declared = variableType(block);
  const written = constant ?? body.attributes.get('default');
  const nothing = declared ? null : '';
  const plain = written ? evaluate(written.value, scope) : nothing;
  const type = declared ?? typeOf(plain);
  const standard = declared
    ? fitting(name, written?.place ?? place, 'its default:', () => convertValue(plain, declared))
    : plain;
  const given = fitting(name, place, 'the environment:', () => givenValue(name, type, environment));
  const value = given ?? standard;
  validate(name, value, block, scope);
  return value;
}

/** A variable's type as it is written, if it is. */
export function writtenType(block: Block): string | undefined {
  const type = variableType(block);
  return type && formatType(type);
}
