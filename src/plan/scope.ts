/** Build arguments and environment: which variables an instruction sees (Dockerfile reference, ARG and ENV). */
import type { ArgInstruction } from '../dockerfile/ast.js';
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

/** Values of --build-arg by name. */
export type BuildArgs = Readonly<Record<string, string>>;

/** What --build-arg says of a name, which may be one that every object has: `constructor`. */
export function givenArg(buildArgs: BuildArgs, name: string): string | undefined {
  return Object.hasOwn(buildArgs, name) ? buildArgs[name] : undefined;
}

/**
 * The value of an ARG: what was given, else its default, else that of the same name in the scope
 * around it. A default that does not count is not expanded: it may be a ${NAME:?message} that says
 * what was to be given.
 */
export function argValue(
  { name, defaultValue }: ArgInstruction['args'][number],
  buildArgs: BuildArgs,
  around: ReadonlyMap<string, string>,
  expandDefault: (word: string) => string | undefined,
): string | undefined {
  const given = givenArg(buildArgs, name);
  if (given !== undefined) return given;
  return defaultValue === undefined ? around.get(name) : expandDefault(defaultValue);
}

/** Variables that FROM sees: ARG before the first FROM, and those of the platform. */
export interface GlobalScope {
  readonly values: ReadonlyMap<string, string>;
  /** Also those of ARG without a value. */
  readonly names: ReadonlySet<string>;
}

/**
 * The global scope. As in BuildKit, --build-arg counts for the platform's arguments whether an ARG
 * declares them or not.
 * @param automatic the arguments of the platform
 * @param expandDefault expands the default of an ARG with the values before it
 */
export function globalScope(
  globalArgs: readonly ArgInstruction[],
  automatic: ReadonlyMap<string, string>,
  buildArgs: BuildArgs,
  expandDefault: (
    word: string,
    values: ReadonlyMap<string, string>,
    location: SourceLocation,
  ) => string | undefined,
): GlobalScope {
  const values = new Map(automatic);
  const names = new Set(automatic.keys());
  for (const name of automatic.keys()) {
    const given = givenArg(buildArgs, name);
    if (given !== undefined) values.set(name, given);
  }
  for (const { args, location } of globalArgs) {
    for (const arg of args) {
      names.add(arg.name);
      const value = argValue(arg, buildArgs, values, (word) =>
        expandDefault(word, values, location),
      );
      if (value !== undefined) values.set(arg.name, value);
    }
  }
  return { values, names };
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
