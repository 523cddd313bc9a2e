/**
 * .dockerignore, with the meaning of moby/patternmatcher: the last pattern that matches a path or
 * one of its parent directories decides (Docker documentation, ".dockerignore files").
 */
import { join, posix } from 'node:path';
import { DockerfileError } from '../errors.js';
import { compilePattern } from './gomatch.js';

/** Decides which paths of a build context are part of it. Paths are relative, `/` separates. */
export interface IgnoreMatcher {
  /** No pattern at all: nothing needs to be asked. */
  readonly empty: boolean;
  /** Is the path left out of the context? */
  ignores(path: string): boolean;
  /** Can anything below an ignored directory be brought back by a `!` pattern? */
  mayContain(directory: string): boolean;
}

interface Pattern {
  /** Begins with `!`: what it matches is part of the context after all. */
  readonly exception: boolean;
  readonly text: string;
  readonly matches: (path: string) => boolean;
}

const SPECIAL = /[.+()|{}$^]/;

/**
 * A pattern as a regular expression over the whole path: `**` crosses directories, everything
 * else stays within one.
 */
function toExpression(pattern: string): RegExp {
  const chars = [...pattern];
  let source = '';
  let inClass = false;
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? '';
    if (inClass) {
      source += char === '\\' ? `\\${chars[++at] ?? ''}` : char;
      inClass = char !== ']';
    } else if (char === '*' && chars[at + 1] === '*') {
      at += 1;
      // "**/" and "**" are the same: any number of directories, none included.
      if (chars[at + 1] === '/') at += 1;
      source += at === chars.length - 1 ? '.*' : '(?:.*/)?';
    } else if (char === '*') source += '[^/]*';
    else if (char === '?') source += '[^/]';
    else if (char === '\\') {
      const escaped = chars[++at] ?? '\\';
      source += /[a-z0-9_]/i.test(escaped) ? escaped : `\\${escaped}`;
    } else if (char === '[') {
      inClass = true;
      source += char;
    } else source += SPECIAL.test(char) || char === ']' ? `\\${char}` : char;
  }
  return new RegExp(`^${source}$`, 's');
}

/** A literal path needs no expression; most patterns in practice are one. */
function toMatcher(
  pattern: string,
  fallback: (path: string) => boolean,
): (path: string) => boolean {
  if (!/[*?[\\]/.test(pattern)) return (path) => path === pattern;
  try {
    const expression = toExpression(pattern);
    return (path) => expression.test(path);
  } catch (error) {
    // Go takes classes that no expression can say, such as the empty range [z-a].
    if (error instanceof SyntaxError) return fallback;
    throw error;
  }
}

function parseLine(line: string, file: string, number: number): Pattern | undefined {
  if (line.startsWith('#')) return undefined;
  const trimmed = line.trim();
  if (trimmed === '') return undefined;
  const fail = (message: string): never => {
    const column = line.indexOf(trimmed) + 1;
    throw new DockerfileError(
      message,
      { file, line: number, column, endLine: number },
      {
        hint: 'see the documentation of .dockerignore for the patterns it takes',
      },
    );
  };
  const exception = trimmed.startsWith('!');
  const written = exception ? trimmed.slice(1).trim() : trimmed;
  if (written === '') fail('a lone ! excludes nothing');
  const clean = posix.normalize(written).replace(/(.)\/$/, '$1');
  const text = clean.length > 1 && clean.startsWith('/') ? clean.slice(1) : clean;
  const checked = compilePattern(text);
  if (!checked.ok) return fail(`${written} is not a pattern: ${checked.reason}`);
  return { exception, text, matches: toMatcher(text, checked.matches) };
}

/** The literal beginning of an exception, if wildcards come at its end alone. */
function literalPrefix(text: string): string | undefined {
  const bare = text.replace(/\/\*\*$|\/\*$/, '');
  return /[*?[\\]/.test(bare) ? undefined : bare;
}

/**
 * Compiles the text of an ignore file.
 * @param file its name, for errors
 * @throws DockerfileError for a pattern that is none
 */
export function compileIgnore(text: string, file: string): IgnoreMatcher {
  const patterns = text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .flatMap((line, index) => parseLine(line, file, index + 1) ?? []);
  const exceptions = patterns.filter(({ exception }) => exception);
  const prefixes = exceptions.map((pattern) => literalPrefix(pattern.text));
  // By directory: which patterns match it or a directory above it. Files ask for their parent's.
  const memo = new Map<string, readonly boolean[]>();
  const matchesOf = (path: string): readonly boolean[] => {
    const slash = path.lastIndexOf('/');
    const parent = slash === -1 ? undefined : directoryMatches(path.slice(0, slash));
    return patterns.map(({ matches }, index) => parent?.[index] || matches(path));
  };
  const directoryMatches = (path: string): readonly boolean[] => {
    const known = memo.get(path) ?? matchesOf(path);
    memo.set(path, known);
    return known;
  };
  return {
    empty: patterns.length === 0,
    ignores: (path) => {
      if (path === '') return false;
      const matches = matchesOf(path);
      return patterns.findLast((_, index) => matches[index])?.exception === false;
    },
    mayContain: (directory) =>
      prefixes.some((prefix) => prefix === undefined || `${prefix}/`.startsWith(`${directory}/`)),
  };
}

/** Where an ignore file may be, in this order: beside the Dockerfile, then in the context. */
export function ignoreFileCandidates(dockerfile: string, context: string): string[] {
  return [`${dockerfile}.dockerignore`, join(context, '.dockerignore')];
}
