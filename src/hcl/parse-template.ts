/** Text with `${value}` and `%{directive}` in it: of strings in quotes, heredocs, and strings of JSON. */
import type { Expression, TemplatePart } from './hcl-ast.js';
import type { Cursor } from './hcl-cursor.js';
import {
  describeNext,
  errorHere,
  expect,
  placeFrom,
  sees,
  skipSpace,
  take,
  takeIdentifier,
  within,
} from './hcl-cursor.js';
import type { Place } from './hcl-source.js';
import { hclError } from './hcl-source.js';

/** How the text around the values is written. */
export interface TemplateForm {
  /** Where it ends: at the first `"`, or at an offset. */
  readonly end: '"' | number;
  /** Spaces that each line loses at its beginning. */
  readonly indent: number;
}

type ParseExpression = (cursor: Cursor) => Expression;

type Directive =
  | { readonly word: 'else' | 'endif' | 'endfor' }
  | { readonly word: 'if'; readonly condition: Expression }
  | {
      readonly word: 'for';
      readonly key: string | undefined;
      readonly item: string;
      readonly collection: Expression;
    };

type Piece =
  | { readonly kind: 'text'; text: string }
  | { readonly kind: 'value'; readonly value: Expression; readonly place: Place }
  | { readonly kind: 'directive'; readonly directive: Directive; readonly place: Place };

/** Pieces, and whether `~` takes the space before and after each. */
interface Trimmed {
  readonly piece: Piece;
  readonly trimBefore: boolean;
  readonly trimAfter: boolean;
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  '"': '"',
  '\\': '\\',
};

function takeEscape(cursor: Cursor): string {
  const { text } = cursor.source;
  const letter = text[cursor.at + 1] ?? '';
  const plain = ESCAPES[letter];
  if (plain !== undefined) {
    cursor.at += 2;
    return plain;
  }
  const [all, short, long] =
    /^\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/.exec(text.slice(cursor.at, cursor.at + 10)) ?? [];
  const code = Number.parseInt(short ?? long ?? '', 16);
  if (all === undefined || code > 0x10ffff)
    throw errorHere(cursor, `\\${letter} is no escape`, 'known are \\n \\r \\t \\" \\\\ \\uNNNN');
  cursor.at += all.length;
  return String.fromCodePoint(code);
}

function parseFor(cursor: Cursor, parse: ParseExpression): Directive {
  const { key, item } = parseForNames(cursor);
  return { word: 'for', key, item, collection: parse(cursor) };
}

/** `item in`, or `key, item in`. */
export function parseForNames(cursor: Cursor): { key: string | undefined; item: string } {
  const name = () => {
    skipSpace(cursor);
    const found = takeIdentifier(cursor);
    if (found === undefined)
      throw errorHere(cursor, `${describeNext(cursor)} where the name of a for is missing`);
    return found;
  };
  const first = name();
  skipSpace(cursor);
  const second = take(cursor, ',') ? name() : undefined;
  expect(cursor, 'in', 'write for NAME in VALUES');
  return second === undefined ? { key: undefined, item: first } : { key: first, item: second };
}

function parseDirective(cursor: Cursor, parse: ParseExpression): Directive {
  skipSpace(cursor);
  const start = cursor.at;
  const word = takeIdentifier(cursor);
  if (word === 'if') return { word, condition: parse(cursor) };
  if (word === 'for') return parseFor(cursor, parse);
  if (word === 'else' || word === 'endif' || word === 'endfor') return { word };
  throw hclError(
    `%{${word ?? ''}: there is no such directive`,
    placeFrom(cursor, start),
    'known are if, else, endif, for, endfor; %%{ is the text itself',
  );
}

/** `${...}` or `%{...}`, with the cursor at its beginning. */
function parseMarked(cursor: Cursor, parse: ParseExpression): Trimmed {
  const start = cursor.at;
  const isValue = take(cursor, '${');
  if (!isValue) take(cursor, '%{');
  return within(cursor, true, () => {
    const trimBefore = take(cursor, '~');
    const read = isValue ? parse(cursor) : parseDirective(cursor, parse);
    skipSpace(cursor);
    const trimAfter = take(cursor, '~');
    expect(cursor, '}', `the value of this ${isValue ? '${' : '%{'} is not closed`);
    const place = placeFrom(cursor, start);
    const piece: Piece =
      'kind' in read
        ? { kind: 'value', value: read, place }
        : { kind: 'directive', directive: read, place };
    return { piece, trimBefore, trimAfter };
  });
}

function isAtEnd(cursor: Cursor, { end }: TemplateForm): boolean {
  return end === '"' ? sees(cursor, '"') : cursor.at >= end;
}

/** @throws BakeFileError when the string goes on behind its line, or the file ends within it */
function requireClosed(cursor: Cursor, { end }: TemplateForm): void {
  if (cursor.at < cursor.source.text.length && !(end === '"' && sees(cursor, '\n'))) return;
  throw errorHere(cursor, 'a string is not closed', 'write " after it, or use <<EOT for lines');
}

/** Spaces at the beginning of a line that all lines of the text have. */
function skipIndent(cursor: Cursor, { indent }: TemplateForm, first: number): void {
  if (cursor.at !== first && cursor.source.text[cursor.at - 1] !== '\n') return;
  for (let left = indent; left > 0 && take(cursor, ' '); left--);
}

/** One character as it is meant; undefined before a mark. */
function takeCharacter(cursor: Cursor, { end }: TemplateForm): string | undefined {
  const { text } = cursor.source;
  const { at } = cursor;
  if (sees(cursor, '$${') || sees(cursor, '%%{')) {
    cursor.at += 3;
    return text.slice(at + 1, at + 3);
  }
  if (sees(cursor, '${') || sees(cursor, '%{')) return undefined;
  if (end === '"' && sees(cursor, '\\')) return takeEscape(cursor);
  cursor.at += 1;
  return text[at];
}

/** Text up to the next mark or the end. @param first where the template begins */
function takeText(cursor: Cursor, form: TemplateForm, first: number): string {
  let found = '';
  while (!isAtEnd(cursor, form)) {
    requireClosed(cursor, form);
    skipIndent(cursor, form, first);
    if (isAtEnd(cursor, form)) break;
    const character = takeCharacter(cursor, form);
    if (character === undefined) break;
    found += character;
  }
  return found;
}

function takePieces(cursor: Cursor, form: TemplateForm, parse: ParseExpression): Trimmed[] {
  const first = cursor.at;
  const pieces: Trimmed[] = [];
  for (;;) {
    const text = takeText(cursor, form, first);
    if (text !== '')
      pieces.push({ piece: { kind: 'text', text }, trimBefore: false, trimAfter: false });
    if (isAtEnd(cursor, form)) return pieces;
    pieces.push(parseMarked(cursor, parse));
  }
}

/** What `~` takes is gone. */
function trimPieces(pieces: readonly Trimmed[]): Piece[] {
  for (const [at, { trimBefore, trimAfter }] of pieces.entries()) {
    const before = pieces[at - 1]?.piece;
    const after = pieces[at + 1]?.piece;
    if (trimBefore && before?.kind === 'text') before.text = before.text.trimEnd();
    if (trimAfter && after?.kind === 'text') after.text = after.text.trimStart();
  }
  return pieces.map(({ piece }) => piece);
}

/** Directives and what they enclose. @param ends words that end it */
function nest(pieces: Piece[], ends: readonly string[], opened: Place | undefined) {
  const parts: TemplatePart[] = [];
  for (let piece = pieces.shift(); piece; piece = pieces.shift()) {
    if (piece.kind !== 'directive') {
      parts.push(piece);
      continue;
    }
    const { directive, place } = piece;
    if (directive.word === 'if') {
      const yes = nest(pieces, ['else', 'endif'], place);
      const no = yes.end === 'else' ? nest(pieces, ['endif'], place).parts : [];
      parts.push({ kind: 'if', condition: directive.condition, yes: yes.parts, no });
    } else if (directive.word === 'for') {
      const { key, item, collection } = directive;
      parts.push({
        kind: 'for',
        key,
        item,
        collection,
        body: nest(pieces, ['endfor'], place).parts,
      });
    } else if (ends.includes(directive.word)) return { parts, end: directive.word };
    else throw hclError(`%{ ${directive.word} } belongs to nothing`, place);
  }
  if (opened)
    throw hclError('a directive is not closed', opened, `write %{ ${ends.at(-1)} } after it`);
  return { parts, end: undefined };
}

/** Reads a template; the cursor is at its end then. @throws BakeFileError */
export function parseTemplate(
  cursor: Cursor,
  form: TemplateForm,
  parse: ParseExpression,
): readonly TemplatePart[] {
  return nest(trimPieces(takePieces(cursor, form, parse)), [], undefined).parts;
}
