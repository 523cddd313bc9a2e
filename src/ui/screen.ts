/**
 * Frames on a terminal, below what was written before. log-update 7.2 was tried: it loses a line when another
 * one comes above it (test/ui/screen.test.ts). Rows are written over and erased to their end, never cleared
 * first, in one write: there is nothing to flicker.
 */
import stringWidth from 'string-width';

const ERASE_END_OF_LINE = '\x1b[K';
const ERASE_BELOW = '\x1b[J';
const HIDE_CURSOR = '\x1b[?25l';
export const SHOW_CURSOR = '\x1b[?25h';
/** A terminal that knows them shows what is between them at once (synchronized output). */
const BEGIN_UPDATE = '\x1b[?2026h';
const END_UPDATE = '\x1b[?2026l';

function up(rows: number): string {
  return rows > 0 ? `\x1b[${rows}A\r` : '\r';
}

/** How many rows a frame takes after the window became narrower, in terminals that wrap what was there. */
export function rowsAfterResize(lines: readonly string[], columns: number): number {
  const rows = lines.map((line) => Math.max(1, Math.ceil(stringWidth(line) / columns)));
  return rows.reduce((sum, count) => sum + count, 0);
}

/**
 * What turns a frame into the next one. The cursor is in the row below the frame, before and after.
 * @param rows that the former frame takes now
 */
export function framePatch(
  former: readonly string[],
  next: readonly string[],
  rows = former.length,
): string {
  const isMoved = rows !== former.length;
  const lines = next.map((line, at) =>
    line === former[at] && !isMoved ? '\n' : `${line}${ERASE_END_OF_LINE}\n`,
  );
  const rest = next.length < rows || isMoved ? ERASE_BELOW : '';
  return `${BEGIN_UPDATE}${HIDE_CURSOR}${up(rows)}${lines.join('')}${rest}${END_UPDATE}`;
}

/** Lines above the frame, which stay, with the frame anew below them. */
export function textAbove(
  former: readonly string[],
  text: string,
  next: readonly string[],
): string {
  const lines = next.map((line) => `${line}\n`).join('');
  return `${BEGIN_UPDATE}${up(former.length)}${ERASE_BELOW}${text}${lines}${END_UPDATE}`;
}

/** The last of it: the frame goes, text comes in its place, the cursor is seen again. */
export function lastText(former: readonly string[], text: string): string {
  return `${BEGIN_UPDATE}${up(former.length)}${ERASE_BELOW}${text}${SHOW_CURSOR}${END_UPDATE}`;
}
