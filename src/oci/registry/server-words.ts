/** What a server says of itself, as a part of a message. */

/** Characters. */
const MAX_WORDS = 300;

/** One line: what reads a log, such as the runner of a CI, takes some lines for commands. */
export function serverWords(text: string): string {
  return text.replace(/\s+/g, ' ').trim().slice(0, MAX_WORDS);
}
