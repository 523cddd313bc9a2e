/** Bytes that belong to no character, in text. Pure: a browser shows such names as well. */

/**
 * A byte that belongs to no character is this code point and the byte in text: half of a surrogate pair would be lost
 * in the index. These are the last ones of Unicode, for private use. The bytes of a name that has one of them are
 * written in the same way, so that text and bytes stay the same thing.
 */
export const NO_CHARACTER = 0x10ff00;
export const OTHER = /[\u{10FF80}-\u{10FFFF}]/u;
export const OTHERS = new RegExp(`${OTHER.source}+`, 'gu');

/** Does a text stand for bytes that are not UTF-8? */
export function hasOtherBytes(text: string): boolean {
  return OTHER.test(text);
}

/** Text with something else for each such byte. */
export function replaceOtherBytes(text: string, shown: (byte: number) => string): string {
  if (!hasOtherBytes(text)) return text;
  const shownOne = (character: string) => shown((character.codePointAt(0) ?? 0) - NO_CHARACTER);
  return text.replace(OTHERS, (characters) => [...characters].map(shownOne).join(''));
}
