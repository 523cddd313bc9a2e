/** Texts of others on their way to a terminal: control characters, and bytes that are none, as escapes. Pure. */
import { replaceOtherBytes } from './other-bytes.js';

/** C0, DEL, C1, separators of lines, and what turns the direction of a text around. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

const KNOWN: Readonly<Record<string, string>> = { '\n': '\\n', '\t': '\\t', '\r': '\\r' };

function escaped(character: string): string {
  const hex = character.charCodeAt(0).toString(16);
  return KNOWN[character] ?? (hex.length > 2 ? `\\u${hex}` : `\\x${hex.padStart(2, '0')}`);
}

const otherByte = (byte: number) => `\\x${byte.toString(16)}`;

/** A text in one line. */
export function printable(text: string): string {
  return replaceOtherBytes(text.replace(UNSEEN, escaped), otherByte);
}

/** A text whose lines and tabs stay. */
export function printableLines(text: string): string {
  const plain = text.replace(UNSEEN, (character) =>
    character === '\n' || character === '\t' ? character : escaped(character),
  );
  return replaceOtherBytes(plain, otherByte);
}
