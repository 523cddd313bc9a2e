/** Build arguments and environment: which variables an instruction sees (Dockerfile reference, ARG and ENV). */
import { expand } from '../dockerfile/expand.js';
import type { SourceLocation } from '../util/errors.js';
import type { TextBudget } from './text-budget.js';

/**
 * Arguments that may be given without ARG and, unless a Dockerfile declares them, count neither for
 * keys nor for history (Dockerfile reference, "Predefined ARGs").
 */
const PREDEFINED = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'];

/** The names of predefined arguments, in both cases. */
export function predefinedArgs(): string[] {
  return PREDEFINED.flatMap((name) => [name, name.toLowerCase()]);
}

/** `linux/arm64/v8` in parts; the variant is empty when there is none. */
function platformParts(platform: string): [string, string, string] {
  const [os = '', architecture = '', variant = ''] = platform.split('/');
  return [os, architecture, variant];
}

/** The automatic platform arguments of the global scope. */
export function platformArgs(
  target: string,
  build: string,
  targetStage: string | undefined,
): Map<string, string> {
  const args = new Map<string, string>();
  for (const [side, platform] of [
    ['TARGET', target],
    ['BUILD', build],
  ] as const) {
    const [os, architecture, variant] = platformParts(platform);
    args.set(`${side}PLATFORM`, platform);
    args.set(`${side}OS`, os);
    args.set(`${side}ARCH`, architecture);
    args.set(`${side}VARIANT`, variant);
  }
  args.set('TARGETSTAGE', targetStage ?? 'default');
  return args;
}

/**
 * Expands a word with the variables of a scope.
 * @param quotes `plain` for the content of here-documents, where quotes mean nothing
 */
export type Expander = (word: string, location: SourceLocation, quotes?: 'plain') => string;

/**
 * An expander that looks names up in `lookup`.
 * @param budget counts what it makes
 */
export function expander(
  escapeCharacter: '\\' | '`',
  lookup: (name: string) => string | undefined,
  budget: TextBudget,
): Expander {
  return (word, location, quotes) => {
    // In a here-document the escape character is the shell's, whatever the directive says.
    const options =
      quotes === 'plain' ? { quotes, escape: '\\' as const } : { escape: escapeCharacter };
    const { text } = expand(word, { lookup, location, ...options });
    budget.spend(text.length, location);
    return text;
  };
}
