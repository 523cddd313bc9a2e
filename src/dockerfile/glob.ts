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

/**
 * Returns a function that finds the leftmost match at or after `from`, of those the longest or the
 * shortest. Every alternative is a thread: a position in the pattern and where its match began.
 */
function finder(glob: Glob, chars: readonly string[], anchored: boolean, longest: boolean) {
  const seen = new Int32Array(glob.length + 1).fill(-1);
  let generation = 0;

  return (from: number): Match | undefined => {
    let states: number[] = [];
    let starts: number[] = [];
    let best: Match | undefined;
    // Threads are added oldest first, so the first to reach a state has the leftmost start.
    const add = (firstState: number, start: number): void => {
      let state = firstState;
      for (;;) {
        if (seen[state] === generation) return;
        seen[state] = generation;
        states.push(state);
        starts.push(start);
        if (glob[state] !== 'star') return;
        state++;
      }
    };

    generation++;
    for (let at = from; ; at++) {
      if (best === undefined && (at === from || !anchored)) add(0, at);
      const accepted = states.indexOf(glob.length);
      const start = starts[accepted];
      if (start !== undefined && (best === undefined || start <= best.start)) {
        best = { start, end: at };
        if (!longest) return best;
      }
      const done = states.length === 0 && (anchored || best !== undefined);
      if (done || at >= chars.length) return best;

      const ch = chars[at] ?? '';
      const oldStates = states;
      const oldStarts = starts;
      states = [];
      starts = [];
      generation++;
      for (let thread = 0; thread < oldStates.length; thread++) {
        const state = oldStates[thread] ?? 0;
        const began = oldStarts[thread] ?? 0;
        if (best !== undefined && began > best.start) continue;
        const token = glob[state];
        if (token === undefined) continue;
        if (token === 'star') {
          if (ch !== '\n') add(state, began);
        } else if (token === 'any' ? ch !== '\n' : token.literal === ch) {
          add(state + 1, began);
        }
      }
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
