/** Text of others, made harmless: what a terminal would show of it, without what would drive the terminal. */

/** A program that moves its cursor further to the right gets no memory for it. */
const MAX_COLUMNS = 2000;
const TAB = 8;

const HAS_CONTROLS = /[^\P{Cc}\t]/u;
const HAS_OTHER_CONTROLS = /[^\P{Cc}\t\n]/u;

/**
 * In turn: control sequences (ECMA-48: CSI, parameters, final byte), strings for the terminal (OSC, DCS, APC,
 * PM, SOS: titles, links, images), other escape sequences, single control characters, text.
 */
const TOKENS =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  /(?:\x1b\[|\x9b)([0-?]*)[ -/]*([@-~])|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c|$)|\x1b[ -/]*[0-~]?|\p{Cc}|\P{Cc}+/gu;

/** A line that is being written, one character a cell, and where the next one goes. */
interface Line {
  readonly cells: string[];
  column: number;
}

function put(line: Line, text: string): void {
  for (const character of text) {
    while (line.cells.length < line.column) line.cells.push(' ');
    line.cells[line.column] = character;
    line.column += 1;
  }
}

function move(line: Line, column: number): void {
  line.column = Math.min(Math.max(0, column), Math.max(MAX_COLUMNS, line.cells.length));
}

/** The few control sequences that change what one line shows; colours and all others are left out. */
function obey(line: Line, parameters: string, final: string): void {
  const number = Number.parseInt(parameters, 10) || 0;
  const { column } = line;
  if (final === 'C') move(line, column + (number || 1));
  if (final === 'D') move(line, column - (number || 1));
  if (final === 'G') move(line, (number || 1) - 1);
  if (final !== 'K' && final !== 'J') return;
  if (number === 0) line.cells.length = Math.min(line.cells.length, column);
  else if (number === 1) line.cells.fill(' ', 0, column + 1);
  else line.cells.length = 0;
}

/**
 * What a terminal shows of a line at last: a progress bar that was written over and over (carriage return,
 * backspace, erase) is there once, as it was at the end. Nothing of the result drives a terminal.
 * @param keepsTabs false: tabs are spaces, so that each character has its columns
 */
export function shownLine(text: string, keepsTabs = true): string {
  if (!HAS_CONTROLS.test(text) && (keepsTabs || !text.includes('\t'))) return text;
  const line: Line = { cells: [], column: 0 };
  for (const [token, parameters = '', final] of text.matchAll(TOKENS)) {
    if (final !== undefined) obey(line, parameters, final);
    else if (token === '\r') line.column = 0;
    else if (token === '\b') move(line, line.column - 1);
    else if (token === '\t') put(line, ' '.repeat(TAB - (line.column % TAB)));
    else if (!HAS_CONTROLS.test(token)) put(line, token);
  }
  return line.cells.join('').trimEnd();
}

/** Several lines, each as `shownLine` has it. */
export function shownText(text: string): string {
  if (!HAS_OTHER_CONTROLS.test(text)) return text;
  return text
    .split('\n')
    .map((line) => shownLine(line))
    .join('\n');
}
