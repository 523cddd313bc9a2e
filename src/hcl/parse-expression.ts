/** Expressions of HCL. */
import type { BinaryOperator, Expression, TemplatePart } from './hcl-ast.js';
import { SPLAT_ITEM } from './hcl-ast.js';
import type { Cursor } from './hcl-cursor.js';
import {
  cursorAt,
  describeNext,
  errorHere,
  expect,
  placeFrom,
  sees,
  skipLines,
  skipSpace,
  take,
  takeIdentifier,
  takeMatch,
  within,
} from './hcl-cursor.js';
import type { HclSource } from './hcl-source.js';
import { parseForNames, parseTemplate } from './parse-template.js';

/** From those that bind least. */
const LEVELS: readonly (readonly BinaryOperator[])[] = [
  ['||'],
  ['&&'],
  ['==', '!='],
  ['<=', '>=', '<', '>'],
  ['+', '-'],
  ['*', '/', '%'],
];

/** Reads an expression, as far as it goes. @throws BakeFileError */
export function parseExpression(cursor: Cursor): Expression {
  skipSpace(cursor);
  const start = cursor.at;
  return within(cursor, cursor.isInside, () => {
    const condition = parseBinary(cursor, 0);
    skipSpace(cursor);
    if (!take(cursor, '?')) return condition;
    const yes = parseExpression(cursor);
    expect(cursor, ':', 'write CONDITION ? VALUE : VALUE');
    const no = parseExpression(cursor);
    return { kind: 'conditional', place: placeFrom(cursor, start), condition, yes, no };
  });
}

function parseBinary(cursor: Cursor, level: number): Expression {
  const operators = LEVELS[level];
  if (!operators) return parseUnary(cursor);
  skipSpace(cursor);
  const start = cursor.at;
  let left = parseBinary(cursor, level + 1);
  for (;;) {
    skipSpace(cursor);
    const operator = operators.find((each) => take(cursor, each));
    if (operator === undefined) return left;
    const right = parseBinary(cursor, level + 1);
    left = { kind: 'binary', place: placeFrom(cursor, start), operator, left, right };
  }
}

function parseUnary(cursor: Cursor): Expression {
  skipSpace(cursor);
  const start = cursor.at;
  const operator = (['-', '!'] as const).find((each) => take(cursor, each));
  if (operator === undefined) return parsePostfix(cursor);
  const operand = within(cursor, cursor.isInside, () => parseUnary(cursor));
  return { kind: 'unary', place: placeFrom(cursor, start), operator, operand };
}

/** `.name`, `[key]`, `[*]`, `.*` after a value. */
function parsePostfix(cursor: Cursor): Expression {
  skipSpace(cursor);
  const start = cursor.at;
  return parseTraversal(cursor, start, parsePrimary(cursor), false);
}

/** @param namesOnly after `.*` an index belongs to the whole result */
function parseTraversal(
  cursor: Cursor,
  start: number,
  begun: Expression,
  namesOnly: boolean,
): Expression {
  let from = begun;
  for (;;) {
    const isDotted = sees(cursor, '.') && !sees(cursor, '...');
    if (isDotted) {
      cursor.at += 1;
      if (take(cursor, '*')) from = parseSplat(cursor, start, from, true);
      else from = parseName(cursor, start, from);
    } else if (!namesOnly && take(cursor, '[')) {
      if (take(cursor, '*]')) from = parseSplat(cursor, start, from, false);
      else {
        const key = within(cursor, true, () => parseExpression(cursor));
        within(cursor, true, () => expect(cursor, ']', 'an index is not closed'));
        from = { kind: 'index', place: placeFrom(cursor, start), from, key };
      }
    } else return from;
  }
}

function parseName(cursor: Cursor, start: number, from: Expression): Expression {
  const at = cursor.at;
  const digits = takeMatch(cursor, /\d+/y);
  const name = digits ?? takeIdentifier(cursor);
  if (name === undefined)
    throw errorHere(cursor, `${describeNext(cursor)} where a name is missing after the dot`);
  const value = digits === undefined ? name : Number(digits);
  const key: Expression = { kind: 'literal', place: placeFrom(cursor, at), value };
  return { kind: 'index', place: placeFrom(cursor, start), from, key };
}

function parseSplat(
  cursor: Cursor,
  start: number,
  from: Expression,
  namesOnly: boolean,
): Expression {
  const place = placeFrom(cursor, start);
  const item: Expression = { kind: 'variable', place, name: SPLAT_ITEM };
  const each = parseTraversal(cursor, start, item, namesOnly);
  return { kind: 'splat', place: placeFrom(cursor, start), from, each };
}

function parsePrimary(cursor: Cursor): Expression {
  const start = cursor.at;
  const place = () => placeFrom(cursor, start);
  if (take(cursor, '(')) {
    const inner = within(cursor, true, () => {
      const found = parseExpression(cursor);
      expect(cursor, ')', 'a parenthesis is not closed');
      return found;
    });
    return inner;
  }
  if (take(cursor, '[')) return parseTuple(cursor, start);
  if (take(cursor, '{')) return parseObject(cursor, start);
  if (take(cursor, '"')) {
    const parts = parseTemplate(cursor, { end: '"', indent: 0 }, parseExpression);
    take(cursor, '"');
    return templateOf(parts, place());
  }
  if (sees(cursor, '<<')) return parseHeredoc(cursor);
  const digits = takeMatch(cursor, /\d+(\.\d+)?([eE][+-]?\d+)?/y);
  if (digits !== undefined) return { kind: 'literal', place: place(), value: Number(digits) };
  const name = takeIdentifier(cursor);
  if (name === undefined)
    throw errorHere(cursor, `${describeNext(cursor)} where a value is missing`);
  if (sees(cursor, '(')) return parseCall(cursor, name, start);
  const value = name === 'null' ? null : name === 'true';
  if (name === 'null' || name === 'true' || name === 'false')
    return { kind: 'literal', place: place(), value };
  return { kind: 'variable', place: place(), name };
}

/** Text without values is a literal. */
function templateOf(parts: readonly TemplatePart[], place: Expression['place']): Expression {
  const [only] = parts;
  if (!only) return { kind: 'literal', place, value: '' };
  if (parts.length === 1 && only.kind === 'text')
    return { kind: 'literal', place, value: only.text };
  return { kind: 'template', place, parts };
}

function parseCall(cursor: Cursor, name: string, start: number): Expression {
  take(cursor, '(');
  return within(cursor, true, () => {
    const args: Expression[] = [];
    let expanded = false;
    for (;;) {
      skipSpace(cursor);
      if (sees(cursor, ')')) break;
      args.push(parseExpression(cursor));
      skipSpace(cursor);
      expanded = take(cursor, '...');
      skipSpace(cursor);
      if (expanded || !take(cursor, ',')) break;
    }
    expect(cursor, ')', `the arguments of ${name} are not closed`);
    return { kind: 'call', place: placeFrom(cursor, start), name, args, expanded };
  });
}

const FOR = /for(?=[\s"])/y;

/** `for` after the bracket that opened it. */
function parseFor(cursor: Cursor, start: number, close: ']' | '}'): Expression {
  return within(cursor, true, () => {
    const names = parseForNames(cursor);
    const collection = parseExpression(cursor);
    expect(cursor, ':', 'write for NAME in VALUES : VALUE');
    const first = parseExpression(cursor);
    let keyed: Expression | undefined;
    if (close === '}') {
      expect(cursor, '=>', 'write {for NAME in VALUES : KEY => VALUE}');
      keyed = first;
    }
    const value = keyed ? parseExpression(cursor) : first;
    skipSpace(cursor);
    const grouped = take(cursor, '...');
    skipSpace(cursor);
    const condition = takeMatch(cursor, /if(?=[\s(!])/y) ? parseExpression(cursor) : undefined;
    expect(cursor, close, 'a for is not closed');
    const place = placeFrom(cursor, start);
    return { kind: 'for', place, ...names, collection, keyed, value, grouped, condition };
  });
}

function parseTuple(cursor: Cursor, start: number): Expression {
  const isFor = within(cursor, true, () => {
    skipSpace(cursor);
    return takeMatch(cursor, FOR) !== undefined;
  });
  if (isFor) return parseFor(cursor, start, ']');
  return within(cursor, true, () => {
    const items: Expression[] = [];
    for (;;) {
      skipSpace(cursor);
      if (sees(cursor, ']')) break;
      items.push(parseExpression(cursor));
      skipSpace(cursor);
      if (!take(cursor, ',')) break;
    }
    expect(cursor, ']', 'write , between the elements of a list, and ] after them');
    return { kind: 'tuple', place: placeFrom(cursor, start), items };
  });
}

/** A name alone is a key itself. */
function parseKey(cursor: Cursor): Expression {
  const start = cursor.at;
  const name = takeIdentifier(cursor);
  const end = cursor.at;
  skipSpace(cursor);
  if (name !== undefined && (sees(cursor, '=') || sees(cursor, ':')) && !sees(cursor, '=='))
    return { kind: 'literal', place: { source: cursor.source, start, end }, value: name };
  cursor.at = start;
  return parseExpression(cursor);
}

function parseObject(cursor: Cursor, start: number): Expression {
  const isFor = within(cursor, true, () => {
    skipSpace(cursor);
    return takeMatch(cursor, FOR) !== undefined;
  });
  if (isFor) return parseFor(cursor, start, '}');
  return within(cursor, false, () => {
    const entries: [Expression, Expression][] = [];
    for (;;) {
      skipLines(cursor);
      if (take(cursor, '}')) break;
      const key = parseKey(cursor);
      skipSpace(cursor);
      if (!take(cursor, '=') && !take(cursor, ':'))
        throw errorHere(cursor, `${describeNext(cursor)} where = is missing: write KEY = VALUE`);
      entries.push([key, parseExpression(cursor)]);
      skipSpace(cursor);
      if (take(cursor, ',') || sees(cursor, '}')) continue;
      if (!/^\r?\n/.test(cursor.source.text.slice(cursor.at, cursor.at + 2)))
        throw errorHere(
          cursor,
          `${describeNext(cursor)} where , or a new line is missing in an object`,
        );
    }
    return { kind: 'object', place: placeFrom(cursor, start), entries };
  });
}

function parseHeredoc(cursor: Cursor): Expression {
  const start = cursor.at;
  const { text } = cursor.source;
  const [all, dash, word] = /^<<(-?)([\p{L}_][\p{L}\p{N}_-]*)\r?\n/u.exec(text.slice(start)) ?? [];
  if (all === undefined || word === undefined)
    throw errorHere(cursor, 'a heredoc is a word after <<, and lines after that');
  cursor.at += all.length;
  const first = cursor.at;
  const closing = new RegExp(`^[ \\t]*${word}[ \\t]*$`, 'mu').exec(text.slice(first));
  if (!closing) {
    cursor.at = start;
    throw errorHere(cursor, `a heredoc is not closed`, `write ${word} on a line of its own`);
  }
  const end = first + closing.index;
  const lines = text
    .slice(first, end)
    .split('\n')
    .filter((line) => line.trim() !== '');
  const spaces = lines.map((line) => line.length - line.replace(/^ +/, '').length);
  const indent = dash === '' || lines.length === 0 ? 0 : Math.min(...spaces);
  const parts = parseTemplate(cursor, { end, indent }, parseExpression);
  cursor.at = end + closing[0].length;
  return templateOf(parts, placeFrom(cursor, start));
}

/** A whole text as a template, as strings of JSON are. @throws BakeFileError */
export function parseWholeTemplate(source: HclSource): Expression {
  const cursor = cursorAt(source);
  const parts = parseTemplate(cursor, { end: source.text.length, indent: 0 }, parseExpression);
  return templateOf(parts, { source, start: 0, end: source.text.length });
}
