/**
 * .dockerignore, with the meaning of moby/patternmatcher and its reader of ignore files: the last
 * pattern that matches a path or one of its parent directories decides (Docker documentation,
 * ".dockerignore files").
 *
 * patternmatcher hands some characters to its regular expressions unescaped, so that `a|b*` or
 * `\d` mean there what no documentation says. Here they mean what Go's filepath.Match says.
 */
import { join, posix } from 'node:path';
import { DockerfileError } from '../../util/errors.js';
import { compilePattern } from './gomatch.js';

/** A matcher's state for a directory of a walk; only that matcher can use it. */
export interface IgnoreState {
  /** Is the path left out of the context? */
  readonly ignored: boolean;
  /** 1 for each pattern that was found to match the path or a directory above it. */
  readonly matched: Uint8Array;
}

/** Decides which paths of a build context are part of it. Paths are relative, `/` separates. */
export interface IgnoreMatcher {
  /** No pattern at all: nothing needs to be asked. */
  readonly empty: boolean;
  /** The state of the context's root, where a walk begins. */
  readonly root: IgnoreState;
  /**
   * The state of a path, from that of the directory that holds it: one step of a walk, which
   * asks no pattern about a parent again.
   */
  child(parent: IgnoreState, path: string): IgnoreState;
  /** Is the path left out of the context? For callers that carry no state. */
  ignores(path: string): boolean;
  /**
   * False only when neither this directory's own entry nor anything below it can be part of the
   * context, so that the walk need not enter it.
   */
  mayContain(directory: string): boolean;
}

interface Pattern {
  /** Begins with `!`: what it matches is part of the context after all. */
  readonly exception: boolean;
  readonly matches: (path: string) => boolean;
  readonly matchesBelow: (directory: string) => boolean;
}

// What Go's strings.TrimSpace removes: U+0085 is one of them, U+FEFF is not, unlike in trim().
const SPACE = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

function trimSpace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && SPACE.test(text.charAt(start))) start += 1;
  while (end > start && SPACE.test(text.charAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

/** Go's filepath.Clean, which unlike normalize() leaves no slash at the end. */
function cleanPath(path: string): string {
  return posix.normalize(path).replace(/(.)\/$/, '$1');
}

/** A line as the reader of ignore files gives it on; empty for a comment or a blank line. */
function readLine(line: string): string {
  // A comment is told before spaces are removed: " #a" is a pattern.
  if (line.startsWith('#')) return '';
  const trimmed = trimSpace(line);
  const mark = trimmed.startsWith('!') ? '!' : '';
  const written = trimSpace(trimmed.slice(mark.length));
  if (written === '') return mark;
  const clean = cleanPath(written);
  // The root of the context is the root directory too; "/" alone stays, and matches nothing.
  return mark + (clean.length > 1 && clean.startsWith('/') ? clean.slice(1) : clean);
}

function compileLine(line: string, file: string, number: number): Pattern | undefined {
  // Trimmed and cleaned a second time, mark and all, as patternmatcher does with what the reader
  // gives it: "/!a" is an exception, "!/" a lone "!", and "!../../a" excludes "a".
  const read = trimSpace(readLine(line));
  if (read === '') return undefined;
  const clean = cleanPath(read);
  const fail = (message: string, hint: string): never => {
    const column = line.search(/\S/) + 1;
    throw new DockerfileError(message, { file, line: number, column, endLine: number }, { hint });
  };
  if (clean === '!') return fail('a lone ! excepts nothing', 'write the path after it: !keep');
  const exception = clean.startsWith('!');
  const compiled = compilePattern(exception ? clean.slice(1) : clean, 'anywhere');
  if (compiled.ok) return { exception, ...compiled };
  return fail(
    `${trimSpace(line)} is not a pattern: ${compiled.reason}`,
    'write a backslash before a character that is meant literally',
  );
}

/**
 * Compiles the text of an ignore file.
 * @param file its name, for errors
 * @throws DockerfileError for a pattern that is none, with its line
 */
export function compileIgnore(text: string, file: string): IgnoreMatcher {
  const patterns = text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .flatMap((line, index) => compileLine(line, file, index + 1) ?? []);
  const root: IgnoreState = { ignored: false, matched: new Uint8Array(patterns.length) };
  // As patternmatcher does it, step by step: a pattern that could change nothing is not asked, and
  // then it does not count for what is below the directory either ("a/b", "!a" leaves out a/b).
  const child = (parent: IgnoreState, path: string): IgnoreState => {
    let ignored = false;
    let added: Uint8Array | undefined;
    for (const [index, { exception, matches }] of patterns.entries()) {
      if (parent.matched[index] !== 1) {
        if (exception !== ignored || !matches(path)) continue;
        added ??= parent.matched.slice();
        added[index] = 1;
      }
      ignored = !exception;
    }
    return added === undefined ? parent : { ignored, matched: added };
  };
  // Files ask for the state of their directory, which is the same for all of its files.
  const directories = new Map<string, IgnoreState>([['', root]]);
  const getState = (path: string): IgnoreState => {
    const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')));
    return path === '' ? root : child(directoryState(parent), path);
  };
  const directoryState = (path: string): IgnoreState => {
    const state = directories.get(path) ?? getState(path);
    directories.set(path, state);
    return state;
  };
  return {
    empty: patterns.length === 0,
    root,
    child,
    ignores: (path) => getState(path).ignored,
    mayContain: (directory) => {
      const { ignored, matched } = directoryState(directory);
      // An exception before the pattern that decided is overruled by it below as well.
      const decidedBy = matched.lastIndexOf(1);
      const isBroughtBack = ({ exception, matchesBelow }: Pattern, index: number) =>
        index > decidedBy && exception && matchesBelow(directory);
      return !ignored || patterns.some(isBroughtBack);
    },
  };
}

/**
 * Names of the ignore file of a context, the first that exists counts. Where the Dockerfile is called
 * as podman has it, so may this be (containerignore(5)).
 * @param dockerfile its path
 */
export function contextIgnoreNames(dockerfile: string): string[] {
  const podmans = /(^|\/)Containerfile[^/]*$/.test(dockerfile) ? ['.containerignore'] : [];
  return ['.dockerignore', ...podmans];
}

/**
 * Where the ignore file of a build may be, the first that exists counts: the Dockerfile's own
 * beside it, then that of the context (Docker documentation, ".dockerignore files": "Filename and
 * location").
 */
export function ignoreFileCandidates(dockerfilePath: string, contextDir: string): string[] {
  const names = contextIgnoreNames(dockerfilePath);
  return [`${dockerfilePath}.dockerignore`, ...names.map((name) => join(contextDir, name))];
}
