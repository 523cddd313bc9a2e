import type { SourceLocation } from '../util/errors.js';
import { plural } from '../util/plural.js';
import { maskCredentials } from '../util/redact.js';

/** Longest excerpt of an instruction; a RUN of hundreds of lines would push the message away. */
const MAX_LINES = 20;

/** Longest part of a line that is shown; a script on one line would do the same. */
const MAX_COLUMNS = 200;

/** Columns before the place that a message is about, where a line is cut. */
const COLUMNS_BEFORE = 80;

/** The part of a line around a column, and the column in it. */
function cut(text: string, column: number): { text: string; column: number } {
  if (text.length <= MAX_COLUMNS) return { text, column };
  const from = Math.max(0, Math.min(column - COLUMNS_BEFORE, text.length - MAX_COLUMNS));
  const before = from > 0 ? '... ' : '';
  const after = from + MAX_COLUMNS < text.length ? ' ...' : '';
  const shown = `${before}${text.slice(from, from + MAX_COLUMNS)}${after}`;
  return { text: shown, column: column - from + before.length };
}

/** Blanks as wide as `text` on a terminal: tabs stay tabs, a surrogate pair counts once. */
function blanksLike(text: string): string {
  return Array.from(text, (ch) => (ch === '\t' ? '\t' : ' ')).join('');
}

/**
 * The source lines around `location` with their numbers, `>>>` at the lines it covers and a caret
 * under its column; long lines are cut, passwords in URLs covered. Ends without a line feed; empty when the location lies outside of `lines`.
 *
 * @param lines physical lines of the file without line ends
 * @param context number of lines shown before and after the location
 */
export function excerpt(lines: readonly string[], location: SourceLocation, context = 2): string {
  if (location.line < 1 || location.line > lines.length) return '';
  const last = Math.min(location.endLine, lines.length);
  const shownUntil = Math.min(last + context, lines.length);
  const from = Math.max(1, location.line - context);
  const to = Math.min(shownUntil, from + MAX_LINES - 1);
  const width = String(to).length;
  const out: string[] = [];
  for (let number = from; number <= to; number++) {
    const { text, column } = cut(
      maskCredentials(lines[number - 1] ?? ''),
      number === location.line ? location.column : 1,
    );
    const marked = number >= location.line && number <= last;
    const gutter = `${String(number).padStart(width)} | ${marked ? '>>>' : '   '} `;
    out.push(`${gutter}${text}`.trimEnd());
    if (number === location.line) {
      const before = blanksLike(text.slice(0, column - 1));
      out.push(`${' '.repeat(width)} |     ${before}^`);
    }
  }
  if (to < last) out.push(`${' '.repeat(width)} | ... ${plural(last - to, 'more line')}`);
  return out.join('\n');
}
