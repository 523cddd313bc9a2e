/**
 * From physical to logical lines: continuations joined, comments between them dropped, with a map
 * back to line and column. Dockerfile reference, "Format" and "escape".
 */
import type { SourceLocation } from '../util/errors.js';
import { skipSpace, trimEndSpace } from './space.js';

/** The lines of a file with and without their line ends (`\n`, `\r\n`), byte order mark removed. */
export interface SourceLines {
  readonly file: string;
  readonly raw: readonly string[];
  readonly lines: readonly string[];
}

/** An instruction on one line. */
export interface LogicalLine {
  /** Joined as Docker does: nothing in place of the escape character and the line feed. */
  readonly text: string;
  /** Joined for people: blanks around a continuation become one. */
  readonly original: string;
  /** Place of the character at an offset into `text`; `until` extends it to a later offset. */
  readonly locate: (offset: number, until?: number) => SourceLocation;
  /** Index of the physical line after it. */
  readonly next: number;
  /** Numbers (from 1) of empty lines between continuations. */
  readonly emptyLines: readonly number[];
}

/** Splits a file into lines; a line feed at its end does not start another line. */
export function splitLines(text: string, file: string): SourceLines {
  const raw: string[] = [];
  let start = text.startsWith('\ufeff') ? 1 : 0;
  while (start < text.length) {
    const feed = text.indexOf('\n', start);
    const end = feed < 0 ? text.length : feed + 1;
    raw.push(text.slice(start, end));
    start = end;
  }
  return { file, raw, lines: raw.map(withoutLineEnd) };
}

/** `line` without the carriage returns and the line feed at its end. */
function withoutLineEnd(line: string): string {
  let end = line.length;
  while (end > 0 && (line[end - 1] === '\n' || line[end - 1] === '\r')) end--;
  return line.slice(0, end);
}

/** True for a line whose first character other than white space is `#`. */
export function isComment(line: string): boolean {
  return line.charAt(skipSpace(line, 0)) === '#';
}

/** The line before its continuation character, undefined when it ends the instruction. */
function cutContinuation(line: string, escapeChar: string): string | undefined {
  let end = line.length;
  while (end > 0 && (line[end - 1] === ' ' || line[end - 1] === '\t')) end--;
  // An escape character before the last one makes it an ordinary character (`C:\\`).
  if (end === 0 || line[end - 1] !== escapeChar || line[end - 2] === escapeChar) return undefined;
  return line.slice(0, end - 1);
}

interface Segment {
  /** Offset into the joined text. */
  readonly offset: number;
  /** Index of the physical line. */
  readonly index: number;
  /** Characters removed at its start. */
  readonly indent: number;
}

function locator(file: string, segments: readonly Segment[]): LogicalLine['locate'] {
  const segmentAt = (offset: number): Segment => {
    let low = 0;
    let high = segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((segments[middle]?.offset ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return segments[low] ?? { offset: 0, index: 0, indent: 0 };
  };
  return (offset, until = offset) => {
    const segment = segmentAt(offset);
    return {
      file,
      line: segment.index + 1,
      column: offset - segment.offset + segment.indent + 1,
      endLine: segmentAt(Math.max(offset, until)).index + 1,
    };
  };
}

/** Joins for people: at each seam the white space on both sides becomes one blank. */
function joinOriginal(parts: readonly string[]): string {
  const joined: string[] = [];
  let pendingBlank = false;
  for (const part of parts) {
    const start = skipSpace(part, 0);
    if (start === part.length) {
      pendingBlank ||= part !== '';
      continue;
    }
    const inner = trimEndSpace(part.slice(start));
    if (joined.length > 0 && (pendingBlank || start > 0)) joined.push(' ');
    joined.push(inner);
    pendingBlank = start + inner.length < part.length;
  }
  return joined.join('');
}

/**
 * Reads the logical line that starts at physical line `index`. Its text is empty when nothing but
 * continuation characters stands there.
 */
export function readLogicalLine(
  source: SourceLines,
  index: number,
  escapeChar: string,
): LogicalLine {
  const { file, lines } = source;
  const segments: Segment[] = [];
  const parts: string[] = [];
  const emptyLines: number[] = [];
  let length = 0;
  let next = index;
  for (let ended = false; !ended; next++) {
    const line = lines[next];
    // As BuildKit: a file may end with a continuation of nothing.
    if (line === undefined) break;
    const first = next === index;
    const indent = skipSpace(line, 0);
    if (!first && (isComment(line) || indent === line.length)) {
      if (indent === line.length) emptyLines.push(next + 1);
      continue;
    }
    const skipped = first ? indent : 0;
    const continued = cutContinuation(line.slice(skipped), escapeChar);
    const part = continued ?? line.slice(skipped);
    ended = continued === undefined;
    segments.push({ offset: length, index: next, indent: skipped });
    parts.push(part);
    length += part.length;
  }
  const joined = trimEndSpace(parts.join(''));
  const start = skipSpace(joined, 0);
  const shifted = segments.map((segment) => ({ ...segment, offset: segment.offset - start }));
  return {
    text: joined.slice(start),
    original: joinOriginal(parts),
    locate: locator(file, shifted),
    next,
    emptyLines,
  };
}
