/** JSON in the place of HCL: objects are blocks and attributes, strings are templates. */
import type { Attribute, Block, Body, Expression } from './hcl-ast.js';
import type { Cursor } from './hcl-cursor.js';
import {
  cursorAt,
  describeNext,
  errorHere,
  placeFrom,
  take,
  takeMatch,
  within,
} from './hcl-cursor.js';
import type { HclSource, Place } from './hcl-source.js';
import { hclError, quotedSource } from './hcl-source.js';
import { parseWholeTemplate } from './parse-expression.js';

/** Types of blocks that a body may have, with the number of their labels. */
export interface BlockTypes {
  readonly [type: string]: { readonly labels: number; readonly inner: BlockTypes };
}

type Json =
  | { readonly kind: 'plain'; readonly place: Place; readonly value: null | boolean | number }
  | { readonly kind: 'string'; readonly place: Place; readonly text: string }
  | { readonly kind: 'array'; readonly place: Place; readonly items: readonly Json[] }
  | {
      readonly kind: 'object';
      readonly place: Place;
      readonly members: readonly (readonly [key: Json & { kind: 'string' }, value: Json])[];
    };

function skip(cursor: Cursor): void {
  takeMatch(cursor, /[ \t\r\n]+/y);
}

function parseString(cursor: Cursor): Json & { kind: 'string' } {
  const start = cursor.at;
  const raw = takeMatch(cursor, /"(?:[^"\\\n]|\\.)*"/y);
  if (raw === undefined)
    throw errorHere(cursor, `${describeNext(cursor)} where a string in quotes is missing`);
  const place = placeFrom(cursor, start);
  try {
    return { kind: 'string', place, text: JSON.parse(raw) as string };
  } catch {
    throw hclError('that is no string of JSON', place);
  }
}

function parseItems<T>(cursor: Cursor, close: string, read: () => T): T[] {
  const items: T[] = [];
  skip(cursor);
  if (take(cursor, close)) return items;
  for (;;) {
    items.push(read());
    skip(cursor);
    if (take(cursor, close)) return items;
    if (!take(cursor, ','))
      throw errorHere(cursor, `${describeNext(cursor)} where , or ${close} is missing`);
  }
}

function parseJson(cursor: Cursor): Json {
  skip(cursor);
  const start = cursor.at;
  const place = () => placeFrom(cursor, start);
  return within(cursor, true, (): Json => {
    if (take(cursor, '{')) {
      const members = parseItems(cursor, '}', () => {
        skip(cursor);
        const key = parseString(cursor);
        skip(cursor);
        if (!take(cursor, ':'))
          throw errorHere(cursor, `${describeNext(cursor)} where : is missing`);
        return [key, parseJson(cursor)] as const;
      });
      return { kind: 'object', place: place(), members };
    }
    if (take(cursor, '[')) {
      const items = parseItems(cursor, ']', () => parseJson(cursor));
      return { kind: 'array', place: place(), items };
    }
    const word = takeMatch(cursor, /(?:null|true|false)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y);
    if (word === undefined) return parseString(cursor);
    return { kind: 'plain', place: place(), value: JSON.parse(word) as null | boolean | number };
  });
}

function toExpression(json: Json): Expression {
  const { place } = json;
  switch (json.kind) {
    case 'plain':
      return { kind: 'literal', place, value: json.value };
    case 'string':
      return parseWholeTemplate(quotedSource(json.text, place));
    case 'array':
      return { kind: 'tuple', place, items: json.items.map(toExpression) };
    case 'object':
      return {
        kind: 'object',
        place,
        entries: json.members.map(([key, value]) => [toExpression(key), toExpression(value)]),
      };
  }
}

/** The blocks that an object is, one label after the other. */
function toBlocks(
  type: string,
  types: { readonly labels: number; readonly inner: BlockTypes },
  json: Json,
  labels: readonly string[],
): Block[] {
  // Several blocks of one name are a list.
  if (json.kind === 'array')
    return json.items.flatMap((item) => toBlocks(type, types, item, labels));
  if (json.kind !== 'object')
    throw hclError(`${type} is no object`, json.place, `write {"${type}": {"NAME": {...}}}`);
  if (labels.length === types.labels)
    return [{ type, labels, body: toBody(json, types.inner), place: json.place }];
  return json.members.flatMap(([key, value]) =>
    toBlocks(type, types, value, [...labels, key.text]),
  );
}

function toBody(json: Json & { kind: 'object' }, types: BlockTypes): Body {
  const attributes = new Map<string, Attribute>();
  const blocks: Block[] = [];
  for (const [key, value] of json.members) {
    const block = Object.hasOwn(types, key.text) ? types[key.text] : undefined;
    if (block) blocks.push(...toBlocks(key.text, block, value, []));
    // A member of this name is a comment, as in all JSON of HCL.
    else if (key.text !== '//')
      attributes.set(key.text, { name: key.text, value: toExpression(value), place: key.place });
  }
  return { attributes, blocks };
}

/** @throws BakeFileError */
export function parseHclJson(source: HclSource, types: BlockTypes): Body {
  const cursor = cursorAt(source, source.text.startsWith('\uFEFF') ? 1 : 0);
  const json = parseJson(cursor);
  skip(cursor);
  if (cursor.at < source.text.length)
    throw errorHere(cursor, `${describeNext(cursor)} after the end of the JSON object`);
  if (json.kind !== 'object') throw hclError('that is no JSON object', json.place);
  return toBody(json, types);
}
