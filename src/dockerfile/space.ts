/**
 * Whitespace as the Dockerfile's reference implementation (written in Go) sees it. JavaScript's
 * `\s` differs: it lacks U+0085 and adds U+FEFF.
 */
export const SPACE = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

/** True when `ch` (one UTF-16 unit) is white space (Go: unicode.IsSpace). */
export function isSpace(ch: string): boolean {
  const code = ch.charCodeAt(0);
  // Nearly every character is ASCII, and the regular expression is ten times as slow.
  if (code < 0x80) return code === 0x20 || (code >= 0x09 && code <= 0x0d);
  return SPACE.test(ch);
}

/** True when `ch` separates operands: the blanks of ASCII without the line feed. */
export function isBlank(ch: string): boolean {
  return ch === ' ' || ch === '\t' || ch === '\v' || ch === '\f' || ch === '\r';
}

/** Index of the first character at or after `from` that is no white space; `text.length` if none. */
export function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && isSpace(text.charAt(at))) at++;
  return at;
}

/** `text` without white space at its end. Scans by hand: `/\s+$/` takes quadratic time. */
export function trimEndSpace(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}
