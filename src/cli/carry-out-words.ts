/** What the words of a command line ask for. */
import type { Command } from 'commander';
import { PROGRESS_VARIABLE } from '../ui/progress.js';
import { withSwitchValues } from './declare/options.js';
import { plainSwitches, valueGiven } from './declare/switches.js';
import type { ErrorForm } from './report.js';

/**
 * Carries out the command that the words name.
 * @param words without those of the program itself
 * @throws CommanderError for --help and --version, which have been answered then; whatever the command throws
 */
export async function carryOutWords(program: Command, words: readonly string[]): Promise<void> {
  const plain = plainSwitches(program, withSwitchValues([...words]));
  await program.parseAsync(plain, { from: 'user' });
}

/** The form in which everything is to be told, whatever else the words say. */
export function errorForm(program: Command, words: readonly string[]): ErrorForm {
  if (!['build', 'bake', 'compose'].includes(words[0] ?? '')) return 'text';
  const given = valueGiven(program, words, '--progress') ?? process.env[PROGRESS_VARIABLE] ?? '';
  if (given === 'github') return given;
  return ['json', 'rawjson'].includes(given) ? 'json' : 'text';
}
