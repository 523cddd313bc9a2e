/** Formats errors: location, problem, excerpt, hint. */
import { excerpt } from '../dockerfile/excerpt.js';
import type { SourceLocation } from '../util/errors.js';
import { WiacError } from '../util/errors.js';
import { printableLines } from '../util/printable.js';
import { withoutCredentials } from '../util/redact.js';
import { shownLine } from './terminal-text.js';

/** The place an error is about, if it has one. */
export function errorLocation(error: unknown): SourceLocation | undefined {
  if (!(error instanceof WiacError) || !('location' in error)) return undefined;
  return error.location as SourceLocation | undefined;
}

/** What is shown of an error: one that was thrown, or one that is kept. */
export interface ShownError {
  readonly message: string;
  readonly hint?: string | undefined;
  readonly location?: SourceLocation | undefined;
  /** Of a step's output. */
  readonly lastLines?: readonly string[];
}

/** Longest message that is printed; what it quotes may be a line of megabytes. */
const MAX_MESSAGE = 2000;

function shorten(message: string): string {
  if (message.length <= MAX_MESSAGE) return message;
  return `${message.slice(0, MAX_MESSAGE)}... (${message.length} characters)`;
}

/**
 * Text for an error.
 * @param lines source lines of the file the error is about; undefined leaves the excerpt out
 */
export function describeError(error: ShownError, lines: readonly string[] | undefined): string {
  const { location, lastLines = [], hint } = error;
  const place = location ? `${location.file}:${location.line}:${location.column}: ` : '';
  const head = [`wiac: ${place}${shorten(withoutCredentials(error.message))}`];
  if (location && lines) head.push(excerpt(lines, location));
  // They quote what others have written; the output of a step is the step's own.
  const parts = head.map(printableLines);
  if (lastLines.length > 0)
    parts.push(`last lines of its output:`, ...lastLines.map((line) => `  | ${shownLine(line)}`));
  if (hint !== undefined) parts.push(printableLines(`hint: ${hint}`));
  return `${parts.join('\n')}\n`;
}
