/**
 * Go's way of switches, which docker, podman and buildah have: `--pull=false`, `--no-cache=true`,
 * `-q=false`. Commander knows a switch only as it is; here each becomes one that is there or not.
 */
import type { Command, Option } from 'commander';
import { UsageError } from '../../util/errors.js';

/** What a command line says, word by word. */
export interface Given {
  /** The option; undefined for an operand, or a word that is nothing known. */
  readonly option: Option | undefined;
  readonly value: string | undefined;
  readonly words: readonly string[];
}

/** What follows the first operand of this command is another program's command line. */
const RUNS_PROGRAM = 'run';

function takesValue({ required }: Option): boolean {
  return required;
}

function isSwitch({ required, optional }: Option): boolean {
  return !required && !optional;
}

/** The command that words begin with, and the words after its name. */
function findCommand(
  program: Command,
  words: readonly string[],
): { readonly command: Command; readonly rest: readonly string[] } {
  const [first, ...rest] = words;
  const command = program.commands.find(
    (each) => first !== undefined && (each.name() === first || each.aliases().includes(first)),
  );
  return command ? findCommand(command, rest) : { command: program, rest: words };
}

function readWord(command: Command, word: string, next: string | undefined): Given {
  const equals = word.indexOf('=');
  const flag = equals === -1 ? word : word.slice(0, equals);
  const option = command.options.find(({ long, short }) => flag === long || flag === short);
  if (!option) return { option, value: undefined, words: [word] };
  if (equals !== -1) return { option, value: word.slice(equals + 1), words: [word] };
  if (!takesValue(option) || next === undefined) return { option, value: undefined, words: [word] };
  return { option, value: next, words: [word, next] };
}

/** Reads the words of a command line as commander will. */
export function readWords(program: Command, words: readonly string[]): Given[] {
  const { command, rest } = findCommand(program, words);
  const name = words.slice(0, words.length - rest.length);
  const given: Given[] = name.map((word) => ({
    option: undefined,
    value: undefined,
    words: [word],
  }));
  let at = 0;
  for (let word = rest[at]; word !== undefined; word = rest[at]) {
    const operand = !word.startsWith('-') || word === '-';
    if (word === '--' || (operand && command.name() === RUNS_PROGRAM)) break;
    const read = operand
      ? { option: undefined, value: undefined, words: [word] }
      : readWord(command, word, rest[at + 1]);
    given.push(read);
    at += read.words.length;
  }
  const left = rest
    .slice(at)
    .map((word) => ({ option: undefined, value: undefined, words: [word] }));
  return [...given, ...left];
}

/** The values that Go's strconv.ParseBool knows; undefined for others. */
export function parseBoolean(value: string): boolean | undefined {
  if (/^(1|t|T|TRUE|true|True)$/.test(value)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(value)) return false;
  return undefined;
}

/** @throws UsageError */
function getBoolean(word: string, value: string): boolean {
  const parsed = parseBoolean(value);
  if (parsed !== undefined) return parsed;
  throw new UsageError(`${word}: ${value} is neither true nor false`, {
    hint: `write ${word.slice(0, word.indexOf('='))}, or =true or =false after it`,
  });
}

/**
 * The words with every switch as commander takes it; of several the last counts.
 * @throws UsageError for a switch that is neither true nor false
 */
export function plainSwitches(program: Command, words: readonly string[]): string[] {
  const kept: Given[] = [];
  for (const given of readWords(program, words)) {
    const { option, value, words: own } = given;
    const [word = ''] = own;
    if (!option || !isSwitch(option) || value === undefined) kept.push(given);
    else {
      const before = kept.filter((other) => other.option !== option);
      kept.splice(0, kept.length, ...before);
      const flag = word.slice(0, word.indexOf('='));
      if (getBoolean(word, value)) kept.push({ option, value: undefined, words: [flag] });
    }
  }
  return kept.flatMap(({ words: own }) => own);
}

/** The value of an option that was given, however the rest of the command line may be. */
export function valueGiven(
  program: Command,
  words: readonly string[],
  long: string,
): string | undefined {
  return readWords(program, words).findLast(({ option }) => option?.long === long)?.value;
}
