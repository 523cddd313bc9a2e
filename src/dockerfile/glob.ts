/**
 * The patterns of `${name#pattern}`, `${name%pattern}` and `${name/pattern/replacement}`: `?` is
 * one character, `*` any number of them, neither matches a line feed; `\?`, `\*` and `\\` are
 * literal. Brackets have no meaning in the reference implementation, so they are literal here too.
 * Matching follows all alternatives at once, hence takes time proportional to pattern times value.
 */
type Token = { readonly literal: string } | 'any' | 'star';

/** A compiled pattern. */
export type Glob = readonly Token[];

/** Half-open range of code points. */
interface Match {
  readonly start: number;
  readonly end: number;
}

/** Compiles a pattern; a string that ends the pattern wrongly escaped is returned as `invalid`. */
export function compileGlob(pattern: string): Glob | { readonly invalid: string } {
  const tokens: Token[] = [];
  const chars = Array.from(pattern);
  for (let at = 0; at < chars.length; at++) {
    const ch = chars[at] ?? '';
    if (ch === '*') {
      if (tokens.at(-1) !== 'star') tokens.push('star');
    } else if (ch === '?') {
      tokens.push('any');
    } else if (ch === '\\') {
      const next = chars[at + 1] ?? '';
      if (!['}', '/', '*', '?', '\\'].includes(next)) return { invalid: `\\${next}` };
      tokens.push({ literal: next });
      at++;
    } else {
      tokens.push({ literal: ch });
    }
  }
  return tokens;
}

/** Alternatives at one place of the value: positions in the pattern, and where the match of each began. */
interface Threads {
  readonly states: number[];
  readonly starts: number[];
}

/** The position in a pattern behind one character; undefined when the token there is another one. */
function advance(glob: Glob, state: number, ch: string): number | undefined {
  const token = glob[state];
  if (token === undefined) return undefined;
  if (typeof token === 'object') return token.literal === ch ? state + 1 : undefined;
  if (ch === '\n') return undefined;
  return token === 'star' ? state : state + 1;
}

/**
 * Returns a function that finds the leftmost match at or after `from`, of those the longest or the
 * shortest.
 */
function finder(glob: Glob, chars: readonly string[], anchored: boolean, longest: boolean) {
  const seen = new Int32Array(glob.length + 1).fill(-1);
  let generation = 0;

  // Threads are added oldest first, so the first to reach a state has the leftmost start. A star may stand
  // for nothing: the position behind it is one as well.
  const add = ({ states, starts }: Threads, first: number, start: number): void => {
    for (let state = first; seen[state] !== generation; state++) {
      seen[state] = generation;
      states.push(state);
      starts.push(start);
      if (glob[state] !== 'star') return;
    }
  };
  const advanceAll = ({ states, starts }: Threads, ch: string, best?: Match): Threads => {
    const next: Threads = { states: [], starts: [] };
    generation++;
    for (const [thread, state] of states.entries()) {
      const start = starts[thread] ?? 0;
      const following = advance(glob, state, ch);
      if (following === undefined || (best !== undefined && start > best.start)) continue;
      add(next, following, start);
    }
    return next;
  };

  return (from: number): Match | undefined => {
    let threads: Threads = { states: [], starts: [] };
    let best: Match | undefined;
    generation++;
    for (let at = from; ; at++) {
      if (best === undefined && (at === from || !anchored)) add(threads, 0, at);
      const { states, starts } = threads;
      const start = starts[states.indexOf(glob.length)];
      if (start !== undefined && (best === undefined || start <= best.start)) {
        best = { start, end: at };
        if (!longest) return best;
      }
      const done = states.length === 0 && (anchored || best !== undefined);
      if (done || at >= chars.length) return best;
      threads = advanceAll(threads, chars[at] ?? '', best);
    }
  };
}

/** `value` without the longest or shortest prefix that matches; unchanged when none does. */
export function trimPrefix(glob: Glob, value: string, longest: boolean): string {
  const chars = Array.from(value);
  const match = finder(glob, chars, true, longest)(0);
  return match === undefined ? value : chars.slice(match.end).join('');
}

/** `value` without the longest or shortest suffix that matches; unchanged when none does. */
export function trimSuffix(glob: Glob, value: string, longest: boolean): string {
  const chars = Array.from(value).reverse();
  const match = finder([...glob].reverse(), chars, true, longest)(0);
  return match === undefined ? value : chars.slice(match.end).reverse().join('');
}

/**
 * `value` with the first match (or all that do not overlap, from the left) replaced; matches are
 * as long as possible. An empty match right after another match does not count.
 * @param limit characters that the result may have
 * @returns undefined when it would have more
 */
export function replaceMatches(
  glob: Glob,
  value: string,
  replacement: string,
  all: boolean,
  limit: number,
): string | undefined {
  const chars = Array.from(value);
  const find = finder(glob, chars, false, true);
  const out: string[] = [];
  let copied = 0;
  let previousEnd = -1;
  let length = value.length;
  for (let at = 0; at <= chars.length; ) {
    const match = find(at);
    if (match === undefined) break;
    const empty = match.start === match.end;
    at = empty ? match.end + 1 : match.end;
    if (empty && match.start === previousEnd) continue;
    out.push(chars.slice(copied, match.start).join(''), replacement);
    length += replacement.length;
    if (length > limit) return undefined;
    copied = match.end;
    previousEnd = match.end;
    if (!all) break;
  }
  out.push(chars.slice(copied).join(''));
  return out.join('');
}
