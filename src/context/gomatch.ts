/**
 * Wildcards of COPY and ADD with the meaning of Go's path/filepath.Match: `*` and `?` stay within
 * a component, `[a-z]` and `[^a-z]` are classes, a backslash takes the meaning from the next
 * character. A component `**` stands for any number of components, none included.
 */

/** One element of a component's pattern. */
type Token =
  | { readonly type: 'literal'; readonly char: string }
  | { readonly type: 'any' }
  | { readonly type: 'star' }
  | {
      readonly type: 'class';
      readonly negated: boolean;
      readonly ranges: readonly (readonly [number, number])[];
    };

/** A compiled component; `deep` is `**`. */
type Component = readonly Token[] | 'deep';

/** A compiled pattern, or why it is none. */
export type CompiledPattern =
  | { readonly ok: true; readonly matches: (path: string) => boolean }
  | { readonly ok: false; readonly reason: string };

/** Does the text hold anything but literal characters? */
export function hasWildcard(pattern: string): boolean {
  return /[*?[\\]/.test(pattern);
}

function parseClass(
  chars: readonly string[],
  start: number,
): { token: Token; next: number } | string {
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

function parseComponent(text: string): Token[] | string {
  const chars = [...text];
  const tokens: Token[] = [];
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? '';
    if (char === '*') {
      if (tokens.at(-1)?.type !== 'star') tokens.push({ type: 'star' });
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
      tokens.push({ type: 'literal', char: escaped });
    } else tokens.push({ type: 'literal', char });
  }
  return tokens;
}

function matchesOne(token: Token, char: string): boolean {
  if (token.type === 'literal') return token.char === char;
  if (token.type === 'class') {
    const code = char.codePointAt(0) ?? 0;
    return token.ranges.some(([low, high]) => low <= code && code <= high) !== token.negated;
  }
  return true;
}

/**
 * Only the last star has to be tried again: an earlier one can't match more than it does without
 * taking what the last one could take as well. So the time is a product, never exponential.
 */
function matchesComponent(tokens: readonly Token[], name: string): boolean {
  const chars = [...name];
  let token = 0;
  let char = 0;
  let retry: { readonly token: number; char: number } | undefined;
  while (char < chars.length) {
    const current = tokens[token];
    if (current?.type === 'star') {
      retry = { token, char };
      token += 1;
    } else if (current && matchesOne(current, chars[char] ?? '')) {
      token += 1;
      char += 1;
    } else if (retry) {
      retry.char += 1;
      token = retry.token + 1;
      char = retry.char;
    } else return false;
  }
  while (tokens[token]?.type === 'star') token += 1;
  return token === tokens.length;
}

/** Which prefixes of the pattern match the names read so far; one pass over the names. */
function matchesPath(components: readonly Component[], names: readonly string[]): boolean {
  const closure = (states: Set<number>) => {
    for (const state of states) if (components[state] === 'deep') states.add(state + 1);
    return states;
  };
  let states = closure(new Set([0]));
  for (const name of names) {
    const next = new Set<number>();
    for (const state of states) {
      const component = components[state];
      if (component === 'deep') next.add(state);
      else if (component && matchesComponent(component, name)) next.add(state + 1);
    }
    states = closure(next);
  }
  return states.has(components.length);
}

/** Compiles a pattern whose components are separated by `/`. */
export function compilePattern(pattern: string): CompiledPattern {
  const components: Component[] = [];
  for (const text of pattern.split('/')) {
    const parsed = text === '**' ? 'deep' : parseComponent(text);
    if (typeof parsed === 'string' && parsed !== 'deep') return { ok: false, reason: parsed };
    components.push(parsed as Component);
  }
  return { ok: true, matches: (path) => matchesPath(components, path.split('/')) };
}
