/** Files of HCL: attributes and blocks. */
import type { Attribute, Block, Body } from './hcl-ast.js';
import type { Cursor } from './hcl-cursor.js';
import {
  cursorAt,
  describeNext,
  errorHere,
  placeFrom,
  sees,
  skipLines,
  skipSpace,
  take,
  takeIdentifier,
  within,
} from './hcl-cursor.js';
import type { HclSource } from './hcl-source.js';
import { hclError } from './hcl-source.js';
import { parseExpression } from './parse-expression.js';

/** @throws BakeFileError */
export function parseHcl(source: HclSource): Body {
  // A file of Windows may begin with a mark.
  const cursor = cursorAt(source, source.text.startsWith('\uFEFF') ? 1 : 0);
  return parseBody(cursor, undefined);
}

/** @param opened where its block begins; undefined: it is the whole file */
function parseBody(cursor: Cursor, opened: number | undefined): Body {
  const attributes = new Map<string, Attribute>();
  const blocks: Block[] = [];
  for (;;) {
    skipLines(cursor);
    if (opened !== undefined && take(cursor, '}')) return { attributes, blocks };
    if (cursor.at >= cursor.source.text.length) {
      if (opened === undefined) return { attributes, blocks };
      cursor.at = opened;
      throw errorHere(cursor, 'a block is not closed', 'write } after it');
    }
    const start = cursor.at;
    const name = takeIdentifier(cursor);
    if (name === undefined)
      throw errorHere(cursor, `${describeNext(cursor)} where an attribute or a block is missing`);
    const nameEnd = cursor.at;
    skipSpace(cursor);
    // Files that are written by hand have `description: "text"` now and then; so has buildx's reference.
    if ((sees(cursor, '=') && !sees(cursor, '==')) || sees(cursor, ':')) {
      cursor.at += 1;
      const place = { source: cursor.source, start, end: nameEnd };
      if (attributes.has(name))
        throw hclError(`${name} is set twice`, place, 'leave one of them out');
      attributes.set(name, { name, value: parseExpression(cursor), place });
    } else blocks.push(parseBlock(cursor, name, start));
    endItem(cursor, opened !== undefined);
  }
}

/** @param type of the block, which the cursor is behind */
function parseBlock(cursor: Cursor, type: string, start: number): Block {
  const labels: string[] = [];
  for (;;) {
    skipSpace(cursor);
    const at = cursor.at;
    if (take(cursor, '{')) break;
    const label = sees(cursor, '"') ? parseLabel(cursor) : takeIdentifier(cursor);
    if (label === undefined) {
      cursor.at = at;
      throw errorHere(
        cursor,
        `${describeNext(cursor)} after ${type}, where = VALUE or { is missing`,
      );
    }
    labels.push(label);
  }
  const place = { source: cursor.source, start, end: cursor.at };
  const body = within(cursor, false, () => parseBody(cursor, start));
  return { type, labels, body, place };
}

function parseLabel(cursor: Cursor): string {
  const start = cursor.at;
  const label = parseExpression(cursor);
  if (label.kind === 'literal' && typeof label.value === 'string') return label.value;
  throw hclError('the name of a block has no values in it', placeFrom(cursor, start));
}

/** An attribute or a block ends with its line; the last one of a block on one line need not. */
function endItem(cursor: Cursor, isInBlock: boolean): void {
  skipSpace(cursor);
  const { text } = cursor.source;
  const isEnd = cursor.at >= text.length || /^\r?\n/.test(text.slice(cursor.at, cursor.at + 2));
  if (isEnd || (isInBlock && sees(cursor, '}'))) return;
  throw errorHere(
    cursor,
    `${describeNext(cursor)} where the line should end`,
    'write each attribute on a line of its own',
  );
}
