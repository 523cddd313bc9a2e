/** What the two starts of wiac have in common: the script's (launcher.ts) and the standalone executable's (standalone.ts). */

/** Length of the digest at the beginning of each file, with what is around it. */
const DIGEST_START = 2;
const DIGEST_END = 18;

/** Commands that are run often, or whose speed shows; others compile what they need. */
const COMMANDS = [
  '--version',
  'build',
  'cache',
  'copy',
  'images',
  'plan',
  'pull',
  'push',
  'run',
  'why',
];

/**
 * With these a command does something else and needs little of what it usually needs. What such a run has
 * compiled would cost every build after it 20 ms, for as long as this wiac is installed.
 */
const OTHERWISE = /^(?:--help|-h|--check|--call(?:=.*)?)$/;

/**
 * The command, as far as its compiled code is worth to be kept.
 * @param words the command line after `wiac`
 */
export function keptCommand(words: readonly string[]): string | undefined {
  if (words.some((word) => OTHERWISE.test(word))) return undefined;
  return COMMANDS.find((known) => known === words[0]);
}

/**
 * Where the compiled code of a file is, for one content of it, one Node and one command.
 * @param source its text, which begins with its digest
 */
export function compiledName(name: string, source: string, command: string): string {
  const digest = source.slice(DIGEST_START, DIGEST_END);
  return `${name}-${digest}-${command}-${process.version}-${process.arch}.compiled`;
}

/** The text of a CommonJS module as the expression of a function, as Node has it. */
export function asFunction(source: string): string {
  return `(function (exports, require, module, __filename, __dirname) {${source}\n})`;
}
