/** Reads HCL text from left to right. */

import type { BakeFileError } from '../util/errors.js';
import type { HclSource, Place } from './hcl-source.js';
import { hclError } from './hcl-source.js';

/** A place in a text that moves on. */
export interface Cursor {
  readonly source: HclSource;
  at: number;
  /** Newlines are space, as they are between parentheses and brackets. */
  isInside: boolean;
  /** How deep values contain each other. */
  depth: number;
}

/** Deeper is no file that somebody wrote. */
const MAX_DEPTH = 200;

/** A cursor at the beginning. */
export function cursorAt(source: HclSource, at = 0): Cursor {
  return { source, at, isInside: false, depth: 0 };
}

/** The place from an offset to the cursor, or of the next character. */
export function placeFrom({ source, at }: Cursor, start: number): Place {
  return { source, start, end: Math.max(at, start + 1) };
}

/** An error of what comes next. */
export function errorHere(cursor: Cursor, message: string, hint?: string): BakeFileError {
  return hclError(message, placeFrom(cursor, cursor.at), hint);
}

/** What comes next, for messages. */
export function describeNext({ source: { text }, at }: Cursor): string {
  const next = /^(\r?\n|[\p{L}\p{N}_-]+|.)/su.exec(text.slice(at, at + 40))?.[0];
  if (next === undefined) return 'the end of the file';
  return next.endsWith('\n') ? 'the end of the line' : next;
}

/** Does the text go on with this? */
export function sees({ source, at }: Cursor, text: string): boolean {
  return source.text.startsWith(text, at);
}

/** Goes over it, if it comes next. */
export function take(cursor: Cursor, text: string): boolean {
  if (!sees(cursor, text)) return false;
  cursor.at += text.length;
  return true;
}

/** @throws BakeFileError when something else comes next */
export function expect(cursor: Cursor, text: string, what: string): void {
  skipSpace(cursor);
  if (!take(cursor, text))
    throw errorHere(cursor, `${describeNext(cursor)} where ${text} is missing: ${what}`);
}

/** What a pattern with the flag `y` matches next. */
export function takeMatch(cursor: Cursor, pattern: RegExp): string | undefined {
  pattern.lastIndex = cursor.at;
  const found = pattern.exec(cursor.source.text)?.[0];
  if (found !== undefined) cursor.at += found.length;
  return found;
}

const SPACE = /(?:[ \t]|(?:#|\/\/)[^\n]*|\/\*(?:[^*]|\*(?!\/))*\*\/)+/y;
const SPACE_AND_LINES = /(?:\s|(?:#|\/\/)[^\n]*|\/\*(?:[^*]|\*(?!\/))*\*\/)+/y;

/** Goes over space and comments, and newlines where they are space. */
export function skipSpace(cursor: Cursor): void {
  takeMatch(cursor, cursor.isInside ? SPACE_AND_LINES : SPACE);
  if (sees(cursor, '/*')) throw errorHere(cursor, 'a comment is not closed', 'write */ after it');
}

/** Goes over space, comments and newlines. */
export function skipLines(cursor: Cursor): void {
  takeMatch(cursor, SPACE_AND_LINES);
  skipSpace(cursor);
}

const IDENTIFIER = /[\p{L}_][\p{L}\p{N}_-]*/uy;

/** A name, if one comes next. */
export function takeIdentifier(cursor: Cursor): string | undefined {
  return takeMatch(cursor, IDENTIFIER);
}

/** Reads with newlines as space, or not, and one level deeper. */
export function within<T>(cursor: Cursor, isInside: boolean, read: () => T): T {
  const before = cursor.isInside;
  cursor.isInside = isInside;
  cursor.depth += 1;
  if (cursor.depth > MAX_DEPTH) throw errorHere(cursor, 'values are nested too deeply');
  try {
    return read();
  } finally {
    cursor.isInside = before;
    cursor.depth -= 1;
  }
}
