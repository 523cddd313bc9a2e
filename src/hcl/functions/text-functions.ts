/** Functions on strings. */
import { inTime } from '../../util/in-time.js';
import { CallError } from '../evaluate.js';
import type { Value } from '../hcl-value.js';
import type { Functions } from './arguments-of-call.js';
import { fn } from './arguments-of-call.js';

/** What a reader takes for one character. */
function characters(text: string): string[] {
  return [...new Intl.Segmenter('en').segment(text)].map(({ segment }) => segment);
}

/** Go writes some groups in another way than JavaScript. */
function toRegExp(pattern: string, flags: string): RegExp {
  // `(?i)` at the beginning is for all of it; named groups are (?P<name>...).
  const [, modes = ''] = /^\(\?([ims]+)\)/.exec(pattern) ?? [];
  const rest = modes === '' ? pattern : pattern.slice(modes.length + 3);
  const body = rest
    .replaceAll('(?P<', '(?<')
    .replaceAll('\\A', '^')
    .replaceAll('\\z', '$')
    .replaceAll('[[:alnum:]]', '[0-9A-Za-z]')
    .replaceAll('[[:alpha:]]', '[A-Za-z]')
    .replaceAll('[[:digit:]]', '[0-9]')
    .replaceAll('[[:space:]]', '\\s');
  try {
    return new RegExp(body, `${flags}${modes}`);
  } catch (error) {
    throw new CallError((error as Error).message);
  }
}

/** Nobody waits longer for a pattern. ms */
const PATIENCE_MS = 1000;

/**
 * Runs what matches. RE2 takes time in proportion to the text; here `(a+)+$` could take years.
 * @throws CallError when it takes too long
 */
function matched<T>(match: () => T): T {
  const done = inTime(PATIENCE_MS, match);
  if (done) return done.value;
  throw new CallError('the pattern takes too long: write it with fewer repetitions in another');
}

/** Named groups as a map, others as a list, without any the text. */
function describeMatch(match: RegExpMatchArray): Value {
  const [all, ...parts] = match;
  if (match.groups)
    return new Map(Object.entries(match.groups).map(([key, text]) => [key, text ?? null]));
  return parts.length > 0 ? parts.map((part) => part ?? null) : (all ?? '');
}

/** Longer texts and patterns could keep the matcher busy for hours. */
const MAX_TEXT = 100_000;

function short(text: string): string {
  if (text.length > MAX_TEXT) throw new CallError('the text is too long');
  return text;
}

function replaceGroups(text: string, pattern: string, replacement: string): string {
  // ${1} and $1 of Go; $& and the like mean nothing there.
  const known = replacement.replace(/\$(?:\{(\w+)\}|(\w+)|\$)/g, (all, braced, bare) => {
    const name: string | undefined = braced ?? bare;
    if (name === undefined) return '$$';
    return /^\d+$/.test(name) ? `$${name}` : all === '$$' ? '$$' : `$<${name}>`;
  });
  const expression = toRegExp(pattern, 'g');
  return matched(() => short(text).replace(expression, known));
}

function substring(text: string, offset: number, length: number): string {
  const all = characters(text);
  const start = offset < 0 ? Math.max(0, all.length + offset) : offset;
  return all.slice(start, length < 0 ? undefined : start + length).join('');
}

/** Without characters of the set at both ends. */
function trimSet(text: string, set: string): string {
  const all = [...text];
  const isIn = (char: string | undefined) => char !== undefined && set.includes(char);
  let [start, end] = [0, all.length];
  while (start < end && isIn(all[start])) start++;
  while (end > start && isIn(all[end - 1])) end--;
  return all.slice(start, end).join('');
}

export const TEXT_FUNCTIONS: Functions = {
  upper: fn(1, ({ text }) => text(0).toUpperCase()),
  lower: fn(1, ({ text }) => text(0).toLowerCase()),
  // What begins a word is as for Go's strings.Title: an apostrophe does.
  title: fn(1, ({ text }) =>
    text(0).replace(/(?<=^|[!-/:-@[-^`{-~]|\s)\p{L}/gu, (letter) => letter.toUpperCase()),
  ),
  reverse: fn(1, ({ text }) => characters(text(0)).reverse().join('')),
  strlen: fn(1, ({ text }) => characters(text(0)).length),
  substr: fn(3, ({ text, integer }) => substring(text(0), integer(1), integer(2))),
  split: fn(2, ({ text }) => (text(0) === '' ? characters(text(1)) : text(1).split(text(0)))),
  join: fn(
    2,
    ({ all, text, texts }) =>
      all
        .slice(1)
        .flatMap((_, at) => texts(at + 1))
        .join(text(0)),
    Infinity,
  ),
  replace: fn(3, ({ text }) => text(0).split(text(1)).join(text(2))),
  regex: fn(2, ({ text }) => {
    const expression = toRegExp(text(0), '');
    const match = matched(() => short(text(1)).match(expression));
    if (!match) throw new CallError(`${text(0)} matches nothing in ${JSON.stringify(text(1))}`);
    return describeMatch(match);
  }),
  regexall: fn(2, ({ text }) => {
    const expression = toRegExp(text(0), 'g');
    return matched(() => [...short(text(1)).matchAll(expression)]).map(describeMatch);
  }),
  regex_replace: fn(3, ({ text }) => replaceGroups(text(0), text(1), text(2))),
  trim: fn(2, ({ text }) => trimSet(text(0), text(1))),
  trimspace: fn(1, ({ text }) => text(0).trim()),
  trimprefix: fn(2, ({ text }) =>
    text(0).startsWith(text(1)) ? text(0).slice(text(1).length) : text(0),
  ),
  trimsuffix: fn(2, ({ text }) =>
    text(1) !== '' && text(0).endsWith(text(1)) ? text(0).slice(0, -text(1).length) : text(0),
  ),
  chomp: fn(1, ({ text }) => text(0).replace(/[\r\n]+$/, '')),
  indent: fn(2, ({ integer, text }) =>
    text(1).replaceAll('\n', `\n${' '.repeat(Math.min(1000, Math.max(0, integer(0))))}`),
  ),
  sanitize: fn(1, ({ text }) => text(0).replace(/[^a-zA-Z0-9_-]/g, '_')),
  strcontains: fn(2, ({ text }) => text(0).includes(text(1))),
  startswith: fn(2, ({ text }) => text(0).startsWith(text(1))),
  endswith: fn(2, ({ text }) => text(0).endsWith(text(1))),
};
