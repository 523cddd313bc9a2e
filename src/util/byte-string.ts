/** Names of files as bytes: not every name is text. */
import { isUtf8 } from 'node:buffer';
import { hasOtherBytes, NO_CHARACTER, OTHER, OTHERS } from './other-bytes.js';

/**
 * Bytes as a string of code units 0 to 255 (Node's `latin1`). Names in archives are bytes, not
 * text: this form keeps all of them, compares bytewise, and can be a Map's key.
 */
export type ByteString = string;

/** The form in which Node's file functions take a name of any bytes. */
export function fsPath(bytes: ByteString): string | Buffer {
  // Most names are ASCII, where both forms are the same and the string is faster.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: NUL to DEL is what ASCII means.
  return /^[\x00-\x7f]*$/.test(bytes) ? bytes : Buffer.from(bytes, 'latin1');
}

const LONGEST_CHARACTER = 4;

/** Where the first such byte stands; -1 without any. */
export function indexOfOtherBytes(text: string): number {
  return text.search(OTHER);
}

/** Text for people and documents: U+FFFD for such bytes. */
export function shownText(text: string): string {
  return hasOtherBytes(text) ? toBytes(text).toString() : text;
}

/** The first bytes of the code points for other bytes. */
const OTHER_BYTES = Buffer.from([0xf4, 0x8f]);

/** Do bytes say as text what fromBytes makes of them? */
export function areText(bytes: Buffer): boolean {
  return isUtf8(bytes) && !bytes.includes(OTHER_BYTES);
}

/** The character that begins here, if one does that stands for itself. */
function characterAt(bytes: Buffer, at: number): string | undefined {
  for (let length = 1; length <= LONGEST_CHARACTER; length += 1) {
    const character = bytes.subarray(at, at + length);
    if (!isUtf8(character)) continue;
    const text = character.toString();
    return hasOtherBytes(text) ? undefined : text;
  }
  return undefined;
}

/**
 * Bytes as text that no other bytes have. Node puts U+FFFD where bytes are no character, so that two names, or two
 * targets of links, would look the same.
 */
export function fromBytes(bytes: Buffer): string {
  if (areText(bytes)) return bytes.toString();
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const character = characterAt(bytes, at);
    text += character ?? String.fromCodePoint(NO_CHARACTER + (bytes[at] as number));
    at += character === undefined ? 1 : Buffer.byteLength(character);
  }
  return text;
}

/** The reverse of fromBytes. */
export function toBytes(text: string): Buffer {
  if (!hasOtherBytes(text)) return Buffer.from(text);
  const pieces: Buffer[] = [];
  let from = 0;
  for (const { 0: others, index } of text.matchAll(OTHERS)) {
    const bytes = [...others].map((other) => (other.codePointAt(0) as number) - NO_CHARACTER);
    pieces.push(Buffer.from(text.slice(from, index)), Buffer.from(bytes));
    from = index + others.length;
  }
  return Buffer.concat([...pieces, Buffer.from(text.slice(from))]);
}

/** A path or the target of a link, as Node's file functions take it. @param text as fromBytes gives it */
export function fsText(text: string): string | Buffer {
  return hasOtherBytes(text) ? toBytes(text) : text;
}

/** What Node shows in the place of bytes that are no character. */
const REPLACEMENT = '\uFFFD';

/** May what Node has read as text stand for other bytes? Then it is read again, as bytes. */
export function mayBeInexact(text: string): boolean {
  return text.includes(REPLACEMENT) || hasOtherBytes(text);
}

/** Text as the bytes that stand for it in a name. */
export function toByteString(text: string): ByteString {
  return toBytes(text).toString('latin1');
}

/** The text that a name's bytes stand for. */
export function fromByteString(bytes: ByteString): string {
  return fromBytes(Buffer.from(bytes, 'latin1'));
}
