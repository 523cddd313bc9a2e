/** The ways in which operands are split into words; offsets point into the logical line. */
import { isBlank, isSpace, skipSpace } from './space.js';

export interface Word {
  readonly text: string;
  readonly offset: number;
}

/** Words between blanks; quotes have no meaning (FROM, EXPOSE, VOLUME, COPY, ADD). */
export function splitBlanks(text: string, offset: number): readonly Word[] {
  const words: Word[] = [];
  for (let at = 0; at < text.length; ) {
    const start = at;
    while (at < text.length && !isBlank(text.charAt(at))) at++;
    if (at > start) words.push({ text: text.slice(start, at), offset: offset + start });
    else at++;
  }
  return words;
}

/** Words between white space that is neither quoted nor escaped; quotes stay (ENV, LABEL, ARG). */
export function splitQuoted(text: string, offset: number, escapeChar: string): readonly Word[] {
  const words: Word[] = [];
  let at = skipSpace(text, 0);
  while (at < text.length) {
    const start = at;
    let word = '';
    let quote = '';
    for (; at < text.length; at++) {
      const ch = text.charAt(at);
      if (ch === escapeChar && quote !== "'") {
        // At the very end it escapes nothing and is dropped.
        if (at + 1 < text.length) word += ch + text.charAt(at + 1);
        at++;
        continue;
      }
      if (quote === '' && isSpace(ch)) break;
      if (quote === '' && (ch === '"' || ch === "'")) quote = ch;
      else if (ch === quote) quote = '';
      word += ch;
    }
    if (word !== '') words.push({ text: word, offset: offset + start });
    at = skipSpace(text, at);
  }
  return words;
}

/** An instruction taken apart. */
export interface SplitInstruction {
  readonly keyword: string;
  /** The words that start with `--` before the operands, quotes and escapes removed. */
  readonly flags: readonly Word[];
  readonly operands: Word;
}

/**
 * Takes an instruction without white space at its ends apart. Flags end at the first word that
 * does not start with `--`, or after a word that is nothing but `--`.
 */
export function splitInstruction({ text, offset }: Word): SplitInstruction {
  let at = 0;
  while (at < text.length && !isBlank(text.charAt(at))) at++;
  const keyword = text.slice(0, at);
  const flags: Word[] = [];
  at = skipSpace(text, at);
  while (text.startsWith('--', at)) {
    const start = at;
    let word = '';
    let quote = '';
    for (; at < text.length; at++) {
      const ch = text.charAt(at);
      if (ch === '\\') {
        at++;
        word += text.charAt(at);
      } else if (quote !== '') {
        if (ch === quote) quote = '';
        else word += ch;
      } else if (ch === '"' || ch === "'") {
        quote = ch;
      } else if (isSpace(ch)) {
        break;
      } else {
        word += ch;
      }
    }
    at = skipSpace(text, at);
    if (word === '--') break;
    flags.push({ text: word, offset: offset + start });
  }
  return { keyword, flags, operands: { text: text.slice(at), offset: offset + at } };
}

/** What a text that may be a JSON array of strings is. */
export type JsonArray =
  | { readonly kind: 'strings'; readonly values: readonly string[] }
  /** Valid JSON, but with elements other than strings. */
  | { readonly kind: 'other-elements' }
  /** Starts with `["` and nowhere has a `]`. */
  | { readonly kind: 'unterminated' }
  | { readonly kind: 'none' };

/** Reads the JSON (exec) form of operands; anything that is not valid JSON is `none`. */
export function readJsonArray(text: string): JsonArray {
  if (!text.startsWith('[')) return { kind: 'none' };
  if (text.startsWith('["') && !text.includes(']')) return { kind: 'unterminated' };
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return { kind: 'none' };
  }
  if (!Array.isArray(parsed)) return { kind: 'none' };
  // A half of a surrogate pair (\ud800) is no character: U+FFFD, as in Go.
  const values = parsed
    .filter((value) => typeof value === 'string')
    .map((value) => value.replace(/\p{Surrogate}/gu, '\ufffd'));
  return values.length === parsed.length ? { kind: 'strings', values } : { kind: 'other-elements' };
}
