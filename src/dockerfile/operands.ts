/** Operands shared by several instructions: commands, key-value pairs, lists of words. */
import { DockerfileError, type SourceLocation } from '../util/errors.js';
import type { ArgInstruction, Command, KeyValue } from './ast.js';
import { isBlank, skipSpace } from './space.js';
import { readJsonArray, splitBlanks, splitQuoted, type Word } from './words.js';

/** What an instruction's operands are read with. */
export interface OperandContext {
  /** The keyword in capitals, for messages. */
  readonly keyword: string;
  readonly operands: Word;
  readonly escape: '\\' | '`';
  /** Place of an offset into the logical line. */
  readonly locate: (offset: number, until?: number) => SourceLocation;
}

/** The error for operands, located where they start or at `word`. */
export function operandError(
  context: OperandContext,
  message: string,
  hint: string,
  word: Word = context.operands,
): DockerfileError {
  const location = context.locate(word.offset, word.offset + word.text.length - 1);
  return new DockerfileError(message, location, { hint });
}

/**
 * Strings of the JSON form, undefined when the operands are to be read in another form.
 *
 * @throws DockerfileError for arrays with other elements than strings, strings with a NUL byte, and
 *   unterminated arrays
 */
export function jsonStrings(
  context: OperandContext,
  operands: Word = context.operands,
): readonly string[] | undefined {
  const json = readJsonArray(operands.text);
  if (json.kind === 'strings') {
    if (!json.values.some((value) => value.includes('\0'))) return json.values;
    const hint = 'neither a path nor an argument of a program can have one: remove \\u0000';
    throw operandError(context, `${context.keyword} has a string with a NUL byte`, hint, operands);
  }
  if (json.kind === 'none') return undefined;
  if (json.kind === 'unterminated') {
    throw operandError(
      context,
      `unterminated JSON array: ${context.keyword} has a [ but no ]`,
      'close the array with ], and put a \\ at the end of every line but the last',
      operands,
    );
  }
  throw operandError(
    context,
    `the JSON array of ${context.keyword} has elements that are not strings`,
    'put every element in double quotes',
    operands,
  );
}

/** Reads the exec (JSON) or the shell form of a command that must not be missing. */
export function readCommand(context: OperandContext, operands: Word = context.operands): Command {
  const argv = jsonStrings(context, operands);
  return argv === undefined ? { form: 'shell', text: operands.text } : { form: 'exec', argv };
}

/** Words as JSON strings or between blanks. */
export function readWords(context: OperandContext): {
  readonly words: readonly Word[];
  readonly json: boolean;
} {
  const { offset, text } = context.operands;
  const strings = jsonStrings(context);
  return strings === undefined
    ? { words: splitBlanks(text, offset), json: false }
    : { words: strings.map((value) => ({ text: value, offset })), json: true };
}

function assertKey(context: OperandContext, key: string, word: Word): void {
  if (key !== '') return;
  const { keyword } = context;
  throw operandError(context, `${keyword} has an empty name`, `write ${keyword} name=value`, word);
}

/**
 * Reads the pairs of ENV and LABEL: `name=value ...`, or `name value` (legacy, one pair) when the
 * first word has no `=`. Dockerfile reference, "ENV".
 */
export function readPairs(context: OperandContext): readonly KeyValue[] {
  const { keyword, operands } = context;
  const words = splitQuoted(operands.text, operands.offset, context.escape);
  const [first] = words;
  const wanted = `write ${keyword} name=value`;
  if (first === undefined)
    throw operandError(context, `${keyword} needs a name and a value`, wanted);
  if (!first.text.includes('=')) return [readLegacyPair(context)];
  return words.map((word) => {
    const equals = word.text.indexOf('=');
    if (equals < 0) {
      throw operandError(
        context,
        `${keyword} has no '=' in '${word.text}'`,
        `${wanted}, with quotes around a value that has blanks`,
        word,
      );
    }
    const key = word.text.slice(0, equals);
    assertKey(context, key, word);
    return { key, value: word.text.slice(equals + 1), legacy: false };
  });
}

function readLegacyPair(context: OperandContext): KeyValue {
  const { keyword, operands } = context;
  const { text } = operands;
  let end = 0;
  while (end < text.length && !isBlank(text.charAt(end))) end++;
  const start = skipSpace(text, end);
  if (start === text.length) {
    throw operandError(
      context,
      `${keyword} ${text} has no value`,
      `write ${keyword} ${text}=value (or ${text}="" for an empty one)`,
    );
  }
  return { key: text.slice(0, end), value: text.slice(start), legacy: true };
}

/** Reads the operands of ARG: names, each with or without a default. */
export function readArgs(context: OperandContext): ArgInstruction['args'] {
  const { operands } = context;
  const words = splitQuoted(operands.text, operands.offset, context.escape);
  if (words.length === 0) throw operandError(context, 'ARG has no name', 'write ARG name');
  return words.map((word) => {
    const equals = word.text.indexOf('=');
    const name = equals < 0 ? word.text : word.text.slice(0, equals);
    assertKey(context, name, word);
    return { name, defaultValue: equals < 0 ? undefined : word.text.slice(equals + 1) };
  });
}
