/**
 * Variable expansion, quote removal and word splitting: Dockerfile reference, "Environment
 * replacement", in the way of BuildKit's shell lexer (which is not a POSIX shell: see the tests).
 */
import { DockerfileError, type SourceLocation } from '../util/errors.js';
import { compileGlob, replaceMatches, trimPrefix, trimSuffix } from './glob.js';
import { SPACE } from './space.js';

export interface ExpandOptions {
  /** Value of a variable, undefined when it is not set. */
  readonly lookup: (name: string) => string | undefined;
  /** The escape character of the Dockerfile. */
  readonly escape: '\\' | '`';
  /** Where the word stands, for errors. */
  readonly location: SourceLocation;
  /**
   * `remove` (default) drops quotes after they took effect, `keep` leaves them in the result,
   * `plain` gives them no meaning at all (content of here-documents).
   */
  readonly quotes?: 'remove' | 'keep' | 'plain';
  /** `remove` (default) drops escape characters after they took effect, `keep` leaves them. */
  readonly escapes?: 'remove' | 'keep';
  /** What a reference to an unset variable becomes: nothing (default), or itself. */
  readonly unset?: 'empty' | 'keep';
}

export interface Expansion {
  readonly text: string;
  /** Names that were referred to and are set. */
  readonly used: ReadonlySet<string>;
  /** Names that were referred to and are not set, also where the reference says what then: `${name:-word}`. */
  readonly undefinedNames: ReadonlySet<string>;
}

export interface WordsExpansion extends Expansion {
  /** The result split at unquoted white space; empty words are dropped. */
  readonly words: readonly string[];
}

/** Nested deeper than this, a word is an attack on the stack rather than a Dockerfile. */
const MAX_DEPTH = 200;

/** Characters that a Dockerfile may have after expansion. Fourteen lines of `$A$A$A$A` have more. */
export const MAX_TEXT = 64 << 20;

/** The error for a Dockerfile that is larger. */
export function tooLong(location: SourceLocation): DockerfileError {
  return new DockerfileError(
    `the Dockerfile has more than ${MAX_TEXT >> 20} MiB of text after expansion`,
    location,
    { hint: 'put the large text into a file, and COPY it' },
  );
}

/** Characters of a pattern times characters of a value: some seconds. */
const MAX_MATCHING = 1 << 28;

/** Everything that means something anywhere; all between two of them is taken as it is. */
const MARKS = /[$'"\\`}/]/g;
const LETTER_OR_DIGIT = /[\p{L}\p{Nd}_]/u;
const DIGIT = /\p{Nd}/u;
const SPECIAL_PARAMETERS = '@*#?-$!0';

interface State {
  readonly source: string;
  readonly options: ExpandOptions;
  readonly used: Set<string>;
  readonly undefinedNames: Set<string>;
  position: number;
  depth: number;
}

/** Where the words of a text are collected, if the caller wants them. */
type Collector = ReturnType<typeof wordCollector>;

function fail(state: State, problem: string, hint?: string): never {
  const shown = state.source.length > 80 ? `${state.source.slice(0, 77)}...` : state.source;
  throw new DockerfileError(`${problem} in '${shown}'`, state.options.location, { hint });
}

/** Collects words; quoted and escaped characters never split them, values of variables do. */
function wordCollector() {
  const words: string[] = [];
  let word = '';
  const flush = (): void => {
    if (word !== '') words.push(word);
    word = '';
  };
  return {
    quoted(text: string): void {
      word += text;
    },
    split(text: string): void {
      const [first = '', ...others] = text.split(SPACE);
      word += first;
      for (const other of others) {
        flush();
        word = other;
      }
    },
    finish(): readonly string[] {
      flush();
      return words;
    },
  };
}

function lookUp(state: State, name: string): string | undefined {
  const value = name === '' ? undefined : state.options.lookup(name);
  if (value !== undefined) state.used.add(name);
  else if (name !== '') state.undefinedNames.add(name);
  return value;
}

/** Index of the next character that may mean something; the end if there is none. */
function nextMark({ source, position }: State): number {
  MARKS.lastIndex = position;
  return MARKS.exec(source)?.index ?? source.length;
}

/** Reads up to `stop` (consumed) or to the end when `stop` is undefined. */
function readUntil(
  state: State,
  stop: '}' | '/' | undefined,
  keepEscapes: boolean,
  collector?: Collector,
): string {
  const { source, options } = state;
  let text = '';
  while (state.position < source.length) {
    const plain = source.slice(state.position, nextMark(state));
    state.position += plain.length;
    text += plain;
    collector?.split(plain);
    if (state.position === source.length) break;
    const ch = source.charAt(state.position);
    if (ch === stop) {
      state.position++;
      return text;
    }
    if (ch === '$') {
      const value = readDollar(state);
      text += value;
      if (text.length > MAX_TEXT) throw tooLong(options.location);
      collector?.split(value);
    } else if (options.quotes !== 'plain' && (ch === "'" || ch === '"')) {
      const quoted = ch === "'" ? readSingleQuoted(state) : readDoubleQuoted(state, keepEscapes);
      text += quoted;
      collector?.quoted(quoted);
    } else if (ch === options.escape) {
      state.position++;
      const next = String.fromCodePoint(...codePointAt(source, state.position));
      const kept = keepEscapes ? ch + next : next;
      state.position += next.length;
      text += kept;
      collector?.quoted(kept);
    } else {
      state.position++;
      text += ch;
      collector?.split(ch);
    }
  }
  if (stop !== undefined) fail(state, `missing '${stop}'`, `close the reference with '${stop}'`);
  return text;
}

/** The code point at `at` as a list of one, or an empty list at the end. */
function codePointAt(text: string, at: number): number[] {
  const code = text.codePointAt(at);
  return code === undefined ? [] : [code];
}

function readSingleQuoted(state: State): string {
  const start = state.position;
  const end = state.source.indexOf("'", start + 1);
  if (end < 0) {
    fail(state, 'unterminated single quote', "close the quote with ' or escape it");
  }
  state.position = end + 1;
  return state.options.quotes === 'keep'
    ? state.source.slice(start, end + 1)
    : state.source.slice(start + 1, end);
}

function readDoubleQuoted(state: State, keepEscapes: boolean): string {
  const { source, options } = state;
  const mark = options.quotes === 'keep' ? '"' : '';
  let text = mark;
  state.position++;
  for (;;) {
    const plain = source.slice(state.position, nextMark(state));
    state.position += plain.length;
    text += plain;
    if (state.position === source.length) break;
    const ch = source.charAt(state.position);
    if (ch === '"') {
      state.position++;
      return text + mark;
    }
    if (ch === '$') {
      text += readDollar(state);
      if (text.length > MAX_TEXT) throw tooLong(options.location);
      continue;
    }
    state.position++;
    if (ch !== options.escape) {
      text += ch;
      continue;
    }
    // Between double quotes only a quote, a dollar and the escape itself can be escaped; before
    // anything else the escape is literal, and a literal one is written twice in a pattern.
    const next = source.charAt(state.position);
    const escapable = next !== '' && (next === '"' || next === '$' || next === options.escape);
    if (keepEscapes) text += ch;
    if (escapable) {
      text += next;
      state.position++;
    } else if (next !== '') {
      text += ch;
    }
  }
  return fail(state, 'unterminated double quote', 'close the quote with " or escape it');
}

/** A name, the digits of a positional parameter, or one special parameter; may be empty. */
function readName(state: State): string {
  const start = state.position;
  const { source } = state;
  const first = source.charAt(start);
  const wanted = DIGIT.test(first) ? DIGIT : LETTER_OR_DIGIT;
  if (wanted !== DIGIT && first !== '' && SPECIAL_PARAMETERS.includes(first)) {
    state.position++;
    return first;
  }
  for (;;) {
    const [code] = codePointAt(source, state.position);
    if (code === undefined) break;
    const ch = String.fromCodePoint(code);
    if (!wanted.test(ch)) break;
    state.position += ch.length;
  }
  return source.slice(start, state.position);
}

function readDollar(state: State): string {
  state.position++;
  if (state.source.charAt(state.position) !== '{') {
    const name = readName(state);
    if (name === '') return '$';
    const value = lookUp(state, name);
    return value ?? (state.options.unset === 'keep' ? `$${name}` : '');
  }
  if (state.depth >= MAX_DEPTH) fail(state, `references nested more than ${MAX_DEPTH} deep`);
  state.depth++;
  const value = readBraces(state);
  state.depth--;
  return value;
}

/** The part of `${...}` after the brace, to the closing one. */
function readBraces(state: State): string {
  const { source, options } = state;
  state.position++;
  const first = source.charAt(state.position);
  if (first === '{' || first === '}' || first === ':') {
    fail(state, 'bad substitution', `write \${name}, or escape the dollar: ${options.escape}$`);
  }
  const name = readName(state);
  const operator = source.charAt(state.position);
  if (operator === '') fail(state, "missing '}'", "close the reference with '}'");
  state.position++;
  if (operator === '}') {
    const value = lookUp(state, name);
    return value ?? (options.unset === 'keep' ? `\${${name}}` : '');
  }
  if (operator === '/') return readReplacement(state, name);

  return readModifier(state, name, operator);
}

/** `:` before an operator: an empty value counts as unset. */
interface Modifier {
  readonly operator: string;
  readonly emptyIsUnset: boolean;
}

/** @param first the character behind the name, which was read */
function readOperator(state: State, first: string): Modifier {
  const emptyIsUnset = first === ':';
  const operator = emptyIsUnset ? state.source.charAt(state.position) : first;
  if (emptyIsUnset) state.position++;
  if (operator !== '' && (emptyIsUnset ? '-+?' : '-+?#%').includes(operator))
    return { operator, emptyIsUnset };
  return fail(
    state,
    `unsupported modifier '${emptyIsUnset ? ':' : ''}${operator}'`,
    'the modifiers are :- - :+ + :? ? # ## % %% / and //',
  );
}

/** `${name-word}` and the like, from behind the first character of the operator. */
function readModifier(state: State, name: string, first: string): string {
  const { operator, emptyIsUnset } = readOperator(state, first);
  const trims = operator === '#' || operator === '%';
  const word = readUntil(state, '}', trims);
  const value = lookUp(state, name);
  if (value === undefined && state.options.unset === 'keep')
    return `\${${name}${emptyIsUnset ? ':' : ''}${operator}${word}}`;
  if (trims) return trimmed(state, operator, word, value ?? '');
  const isMissing = value === undefined || (emptyIsUnset && value === '');
  if (operator === '+') return isMissing ? '' : word;
  if (!isMissing) return value;
  return operator === '-' ? word : failMissing(state, name, word, value);
}

/** `${name:?word}` without a value. */
function failMissing(state: State, name: string, word: string, value: string | undefined): never {
  const why = value === undefined ? 'is not allowed to be unset' : 'is not allowed to be empty';
  return fail(
    state,
    `${name}: ${word === '' ? why : word}`,
    `give ${name} a value with ARG, ENV or --build-arg`,
  );
}

function trimmed(state: State, operator: string, word: string, value: string): string {
  const longest = word.startsWith(operator);
  const glob = globOrFail(state, longest ? word.slice(1) : word, value);
  return operator === '%' ? trimSuffix(glob, value, longest) : trimPrefix(glob, value, longest);
}

/** `${name/pattern/replacement}` from behind its first slash. The replacement keeps escapes. */
function readReplacement(state: State, name: string): string {
  const all = state.source.charAt(state.position) === '/';
  if (all) state.position++;
  const pattern = readUntil(state, '/', true);
  const replacement = readUntil(state, '}', true);
  const value = lookUp(state, name);
  if (value === undefined && state.options.unset === 'keep') {
    return `\${${name}/${pattern}/${replacement}}`;
  }
  const glob = globOrFail(state, pattern, value);
  const replaced = replaceMatches(glob, value ?? '', replacement, all, MAX_TEXT);
  if (replaced === undefined) throw tooLong(state.options.location);
  return replaced;
}

/** A pattern to match a value with, which takes time proportional to the product of their lengths. */
function globOrFail(state: State, pattern: string, value = '') {
  if (pattern.length * value.length > MAX_MATCHING) {
    fail(state, 'the pattern and the value are too long to be matched', 'do it in a RUN instead');
  }
  const glob = compileGlob(pattern);
  if ('invalid' in glob) {
    const hint = 'only * ? \\ / and } can be escaped in a pattern';
    fail(state, `invalid escape '${glob.invalid}' in the pattern '${pattern}'`, hint);
  }
  return glob;
}

/**
 * Expands `word` and splits the result into words at white space that is neither quoted nor
 * escaped; white space from a variable's value splits too.
 *
 * @throws DockerfileError for unterminated quotes and references, unknown modifiers, bad patterns
 *   for `${name:?message}` when name is missing, and for a result that is too long
 */
export function expandWords(word: string, options: ExpandOptions): WordsExpansion {
  const collector = wordCollector();
  const expansion = expandInto(word, options, collector);
  return { ...expansion, words: collector.finish() };
}

/** Expands `word` to one string; white space stays. Throws as {@link expandWords} does. */
export function expand(word: string, options: ExpandOptions): Expansion {
  return expandInto(word, options);
}

function expandInto(word: string, options: ExpandOptions, collector?: Collector): Expansion {
  const state: State = {
    source: word,
    options,
    used: new Set(),
    undefinedNames: new Set(),
    position: 0,
    depth: 0,
  };
  const text = readUntil(state, undefined, options.escapes === 'keep', collector);
  return { text, used: state.used, undefinedNames: state.undefinedNames };
}
