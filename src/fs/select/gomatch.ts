/**
 * Path patterns with the meaning of Go's path/filepath.Match on Unix, which the Dockerfile
 * reference names for COPY, ADD and .dockerignore: `*` and `?` never stand for a `/`, `[a-z]` and
 * `[^a-z]` are classes, a backslash takes the meaning from the next character. On top of that `**`
 * as Docker adds it. As in Go a class may stand for a `/`: `a[^b]c` matches `a/c`. Unlike in Go a
 * star never ends within a character of several bytes, and a malformed pattern is always told,
 * whatever the path.
 */

/** Where `**` crosses directories; elsewhere it is two stars, which mean what one does. */
export type DoubleStar =
  /** Nowhere: Go's own rules. */
  | 'never'
  /** Where it is a whole component: COPY and ADD. */
  | 'component'
  /** Wherever it stands, with a `/` after it if there is one: `a**b` is `a`, directories, `b`. */
  | 'anywhere';

/** One element of a pattern. Characters are code points, as Go's are runes. */
type Token =
  | { readonly type: 'char'; readonly code: number }
  | {
      readonly type: 'class';
      readonly negated: boolean;
      readonly ranges: readonly (readonly [number, number])[];
    }
  /** `?` */
  | { readonly type: 'any' }
  /** `*` */
  | { readonly type: 'star' }
  /** Whole directories, each with its `/`; none included. */
  | { readonly type: 'directories' }
  /** Anything, `/` included. */
  | { readonly type: 'anything' };

/** A compiled pattern, or why it is none. */
export type CompiledPattern =
  | {
      readonly ok: true;
      readonly matches: (path: string) => boolean;
      /** Could it match a path below this directory? */
      readonly matchesBelow: (directory: string) => boolean;
    }
  | { readonly ok: false; readonly reason: string };

const SLASH = '/'.charCodeAt(0);

/** Does the text hold anything but literal characters? A backslash counts: it is not one itself. */
export function hasWildcard(pattern: string): boolean {
  return /[*?[\\]/.test(pattern);
}

/** Has it a wildcard that no backslash takes the meaning from? */
export function isPattern(text: string): boolean {
  return /^(?:[^\\*?[]|\\.)*[*?[]/s.test(text);
}

/**
 * The leading components without wildcards: whatever the pattern matches is this path or below
 * it, so a walk may start there. Empty when the first component has a wildcard.
 */
export function literalPrefix(pattern: string): string {
  const components = pattern.split('/');
  const first = components.findIndex(hasWildcard);
  return (first === -1 ? components : components.slice(0, first)).join('/');
}

function parseClass(
  chars: readonly string[],
  start: number,
): { readonly token: Token; readonly next: number } | string {
  let at = start;
  const negated = chars[at] === '^';
  if (negated) at += 1;
  const ranges: (readonly [number, number])[] = [];
  const readChar = (): number | undefined => {
    if (chars[at] === '\\') at += 1;
    else if (chars[at] === '-' || chars[at] === ']') return undefined;
    const char = chars[at];
    at += 1;
    return char?.codePointAt(0);
  };
  while (chars[at] !== ']' || ranges.length === 0) {
    const low = readChar();
    if (low === undefined) return 'a character class is not closed or empty';
    let high: number | undefined = low;
    if (chars[at] === '-') {
      at += 1;
      high = readChar();
      if (high === undefined) return 'a range in a character class has no end';
    }
    ranges.push([low, high]);
  }
  return { token: { type: 'class', negated, ranges }, next: at + 1 };
}

/** The `**` that begins at `at` and where the pattern goes on after it, if it crosses directories. */
function parseDoubleStar(
  chars: readonly string[],
  at: number,
  mode: DoubleStar,
): { readonly token: Token; readonly next: number } | undefined {
  if (mode === 'never' || chars[at + 1] !== '*') return undefined;
  const slash = chars[at + 2] === '/';
  const next = at + (slash ? 3 : 2);
  if (mode === 'component') {
    const begins = at === 0 || chars[at - 1] === '/';
    if (!begins || !(slash || next === chars.length)) return undefined;
  }
  // Docker takes a leading `**` before literal text for a suffix: `**file` matches `myfile` too.
  const suffix = at === 0 && !slash && !chars.slice(next).some((char) => '*?[]\\'.includes(char));
  const type = next === chars.length || suffix ? 'anything' : 'directories';
  return { token: { type }, next };
}

function parse(pattern: string, mode: DoubleStar): Token[] | string {
  const chars = [...pattern];
  const tokens: Token[] = [];
  const literal = (char: string): Token => ({ type: 'char', code: char.codePointAt(0) ?? 0 });
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? '';
    if (char === '*') {
      const double = parseDoubleStar(chars, at, mode);
      tokens.push(double?.token ?? { type: 'star' });
      if (double) at = double.next - 1;
    } else if (char === '?') tokens.push({ type: 'any' });
    else if (char === '[') {
      const parsed = parseClass(chars, at + 1);
      if (typeof parsed === 'string') return parsed;
      tokens.push(parsed.token);
      at = parsed.next - 1;
    } else if (char === '\\') {
      at += 1;
      const escaped = chars[at];
      if (escaped === undefined) return 'nothing follows the last backslash';
      tokens.push(literal(escaped));
    } else tokens.push(literal(char));
  }
  return tokens;
}

/** May the token stand for no character at all? */
function isOptional(token: Token | undefined): boolean {
  return token?.type === 'star' || token?.type === 'directories' || token?.type === 'anything';
}

function inClass(ranges: readonly (readonly [number, number])[], code: number): boolean {
  return ranges.some(([low, high]) => low <= code && code <= high);
}

/** May the token stand for this character, or begin with it? */
function standsFor(token: Token, code: number): boolean {
  switch (token.type) {
    case 'char':
      return token.code === code;
    case 'class':
      return inClass(token.ranges, code) !== token.negated;
    case 'any':
    case 'star':
      return code !== SLASH;
    case 'directories':
    case 'anything':
      return true;
  }
}

/**
 * How many tokens may be done when the whole text is read: the states of an automaton without
 * backtracking, so the time is at most the length of the text times that of the pattern.
 */
function readText(tokens: readonly Token[], text: string): readonly number[] {
  // At which character a state was last reached, so that it is listed once.
  const reachedAt = new Int32Array(tokens.length + 1).fill(-1);
  let states: number[] = [];
  const add = (state: number, at: number, list: number[]) => {
    if (reachedAt[state] === at) return;
    reachedAt[state] = at;
    list.push(state);
  };
  // What may stand for nothing doesn't hold up the tokens after it.
  const enter = (state: number, at: number, list: number[]) => {
    let last = state;
    add(last, at, list);
    while (isOptional(tokens[last])) add(++last, at, list);
  };
  enter(0, 0, states);
  for (let at = 0; at < text.length && states.length > 0; ) {
    const code = text.codePointAt(at) ?? 0;
    at += code > 0xffff ? 2 : 1;
    const next: number[] = [];
    for (const state of states) {
      const token = tokens[state];
      if (token === undefined || !standsFor(token, code)) continue;
      if (token.type !== 'directories') enter(isOptional(token) ? state : state + 1, at, next);
      else {
        // Within a directory's name: what follows may begin after its slash alone.
        add(state, at, next);
        if (code === SLASH) enter(state + 1, at, next);
      }
    }
    states = next;
  }
  return states;
}

function literalText(tokens: readonly Token[]): string {
  return tokens
    .map((token) => (token.type === 'char' ? String.fromCodePoint(token.code) : ''))
    .join('');
}

/** A token as part of a regular expression; every character escaped, whatever it is. */
function toExpression(token: Token): string {
  const escaped = (code: number) => `\\u{${code.toString(16)}}`;
  switch (token.type) {
    case 'char':
      return escaped(token.code);
    case 'any':
      return '[^/]';
    case 'star':
      return '[^/]*';
    case 'directories':
      return '(?:[^]*/)?';
    case 'anything':
      return '[^]*';
    case 'class': {
      // Go takes a range that runs backwards and finds nothing in it; an expression refuses it.
      const ranges = token.ranges.filter(([low, high]) => low <= high);
      const inside = ranges.map(([low, high]) => `${escaped(low)}-${escaped(high)}`).join('');
      return `[${token.negated ? '^' : ''}${inside}]`;
    }
  }
}

/**
 * An expression is ten times faster than the automaton, but the places it tries grow with the
 * length of the path to the power of the stars. Within these limits it takes milliseconds at
 * worst; they hold for nearly every pattern and path that people write.
 */
const EXPRESSION_LIMITS = { stars: 3, pathLength: 512 };

function getMatcher(tokens: readonly Token[]): (path: string) => boolean {
  const byAutomaton = (path: string) => readText(tokens, path).includes(tokens.length);
  if (tokens.filter(isOptional).length > EXPRESSION_LIMITS.stars) return byAutomaton;
  const expression = new RegExp(`^${tokens.map(toExpression).join('')}$`, 'u');
  return (path) =>
    path.length > EXPRESSION_LIMITS.pathLength ? byAutomaton(path) : expression.test(path);
}

/**
 * Compiles a pattern. Matching takes polynomial time whatever the pattern; most paths are told
 * apart by its literal beginning or end already.
 * @param doubleStar where `**` means any number of directories
 */
export function compilePattern(
  pattern: string,
  doubleStar: DoubleStar = 'component',
): CompiledPattern {
  const tokens = parse(pattern, doubleStar);
  if (typeof tokens === 'string') return { ok: false, reason: tokens };
  const isWild = (token: Token) => token.type !== 'char';
  const firstWild = tokens.findIndex(isWild);
  if (firstWild === -1) {
    const text = literalText(tokens);
    return {
      ok: true,
      matches: (path) => path === text,
      matchesBelow: (directory) => text.startsWith(`${directory}/`),
    };
  }
  const prefix = literalText(tokens.slice(0, firstWild));
  const suffix = literalText(tokens.slice(tokens.findLastIndex(isWild) + 1));
  const matchesAll = getMatcher(tokens);
  return {
    ok: true,
    matches: (path) => path.startsWith(prefix) && path.endsWith(suffix) && matchesAll(path),
    matchesBelow: (directory) =>
      readText(tokens, `${directory}/`).some((state) => state < tokens.length),
  };
}

/**
 * Go's path/filepath.Match itself: `**` means no more than `*`. A malformed pattern matches
 * nothing; compilePattern tells why it is malformed.
 */
export function matchPath(pattern: string, path: string): boolean {
  const compiled = compilePattern(pattern, 'never');
  return compiled.ok && compiled.matches(path);
}
