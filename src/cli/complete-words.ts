/** What can be typed next, as a function of the declared commands and the words so far. Pure. */
import type { Argument, Command, Option } from 'commander';

/** A word that can stand at the cursor. */
export interface Candidate {
  readonly word: string;
  /** What it is; may be empty. */
  readonly text: string;
}

/** What a store, or a Dockerfile, knows the candidates of. */
export type Kind = 'stage' | 'step' | 'image' | 'key' | 'build' | 'mount';

/** What can stand at the cursor. */
export interface Completion {
  readonly candidates: readonly Candidate[];
  /** Names of files as well. */
  readonly files: boolean;
  /** Further candidates are to be looked up: they begin with `prefix`, which stands before each. */
  readonly wanted?: { readonly kind: Kind; readonly prefix: string };
  /** Operands so far, and values of options by their long names: where to look. */
  readonly operands: readonly string[];
  readonly values: ReadonlyMap<string, string>;
}

/** Options whose values are of a kind. */
const OPTION_KINDS: Readonly<Record<string, Kind>> = {
  '--target': 'stage',
  '--no-cache-filter': 'stage',
  '--debug': 'step',
  '--from': 'image',
};

/** Operands by their names. */
const OPERAND_KINDS: Readonly<Record<string, Kind>> = {
  step: 'step',
  steps: 'step',
  name: 'image',
  names: 'image',
  reference: 'image',
  'lowerdirs-or-name': 'image',
  key: 'key',
  keys: 'key',
  first: 'image',
  second: 'step',
  third: 'step',
  build: 'build',
  ids: 'mount',
};

/** Operands and values that are files, by their names. */
const FILE_NAME = /file|dir|path|source|lowerdirs|^first$|spec|dest|layer|context/;

function valueName({ flags }: Option): string {
  return /[<[]([^>\]]*)/.exec(flags)?.[1] ?? '';
}

function isVisible({ hidden }: Option): boolean {
  return !hidden;
}

function findOption(command: Command, word: string): Option | undefined {
  const [flag] = word.split('=', 1);
  return command.options.find(({ long, short }) => long === flag || short === flag);
}

/** The words before the cursor, understood. */
interface Situation {
  readonly command: Command;
  readonly operands: readonly string[];
  readonly values: ReadonlyMap<string, string>;
  /** The option that the word at the cursor is the value of. */
  readonly open: Option | undefined;
  /** After `--`. */
  readonly onlyOperands: boolean;
}

function read(program: Command, words: readonly string[]): Situation {
  let command = program;
  let open: Option | undefined;
  let onlyOperands = false;
  const operands: string[] = [];
  const values = new Map<string, string>();
  for (const word of words) {
    if (open) {
      values.set(open.long ?? '', word);
      open = undefined;
    } else if (onlyOperands) operands.push(word);
    else if (word === '--') onlyOperands = true;
    else if (word.startsWith('-')) {
      const option = findOption(command, word);
      if (!option) continue;
      if (word.includes('=')) values.set(option.long ?? '', word.slice(word.indexOf('=') + 1));
      else if (option.required) open = option;
    } else {
      const child = operands.length === 0 && command.commands.find((one) => one.name() === word);
      if (child) command = child;
      else operands.push(word);
    }
  }
  return { command, operands, values, open, onlyOperands };
}

function beginning(candidates: readonly Candidate[], current: string): Candidate[] {
  return candidates.filter(({ word }) => word.startsWith(current));
}

function ofValue(option: Option, prefix: string, situation: Situation): Completion {
  const { operands, values } = situation;
  const candidates = (option.argChoices ?? []).map((choice) => ({
    word: prefix + choice,
    text: '',
  }));
  const kind = OPTION_KINDS[option.long ?? ''];
  return {
    candidates,
    files: kind === undefined && FILE_NAME.test(valueName(option)),
    ...(kind === undefined ? {} : { wanted: { kind, prefix } }),
    operands,
    values,
  };
}

function argumentAt({ command, operands }: Situation): Argument | undefined {
  const { registeredArguments: all } = command;
  const last = all.at(-1);
  return all[operands.length] ?? (last?.variadic ? last : undefined);
}

function optionCandidates({ options }: Command): Candidate[] {
  return options.filter(isVisible).map(({ long, short, required, description }) => ({
    // With its value in the same word: so that it can be completed at once.
    word: `${long ?? short}${required && long ? '=' : ''}`,
    text: description.split('\n')[0] ?? '',
  }));
}

/** @param words after the program's name; the last one is the one at the cursor, maybe empty */
export function completeWords(program: Command, words: readonly string[]): Completion {
  const current = words.at(-1) ?? '';
  const situation = read(program, words.slice(0, -1));
  const { command, operands, values, open, onlyOperands } = situation;
  const limited = (found: Completion): Completion => ({
    ...found,
    candidates: beginning(found.candidates, current),
  });
  if (open) return limited(ofValue(open, '', situation));
  if (!onlyOperands && current.startsWith('-')) {
    const option = current.includes('=') ? findOption(command, current) : undefined;
    if (option)
      return limited(ofValue(option, current.slice(0, current.indexOf('=') + 1), situation));
    return limited({ candidates: optionCandidates(command), files: false, operands, values });
  }
  if (command.commands.length > 0 && operands.length === 0) {
    const visible = command.createHelp().visibleCommands(command);
    const names = visible.map((one) => ({ word: one.name(), text: one.summary() }));
    // `wiac history NAME` and `wiac history builds`.
    const argument = argumentAt(situation);
    const kind = argument && OPERAND_KINDS[argument.name()];
    const wanted = kind === undefined ? {} : { wanted: { kind, prefix: '' } };
    return limited({ candidates: names, files: false, ...wanted, operands, values });
  }
  const argument = argumentAt(situation);
  if (!argument) return { candidates: [], files: false, operands, values };
  const kind = OPERAND_KINDS[argument.name()];
  const choices = (argument.argChoices ?? []).map((word) => ({ word, text: '' }));
  return limited({
    candidates: choices,
    files: choices.length === 0 && FILE_NAME.test(argument.name()),
    ...(kind === undefined ? {} : { wanted: { kind, prefix: '' } }),
    operands,
    values,
  });
}
