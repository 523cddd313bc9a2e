/** Names of files as bytes: not every name is text. */

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

/** Text as the bytes that stand for it in a name. */
export function toByteString(text: string): ByteString {
  return Buffer.from(text).toString('latin1');
}

/** The text that a name's bytes stand for. */
export function fromByteString(bytes: ByteString): string {
  return Buffer.from(bytes, 'latin1').toString();
}
