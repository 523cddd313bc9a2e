/** What kind of text it is in which two texts differ: a time, a number of a process, something random. */
import type { Cause } from './causes.js';
import type { RunFacts } from './run-facts.js';

/** The part in which two texts differ: what is before and behind it is the same. */
export interface Span {
  readonly start: number;
  /** In the first text, and in the second. */
  readonly ends: readonly [number, number];
}

/** @returns undefined when they are the same */
export function differingSpan(first: string, second: string): Span | undefined {
  if (first === second) return undefined;
  const length = Math.min(first.length, second.length);
  let start = 0;
  while (start < length && first[start] === second[start]) start += 1;
  let same = 0;
  while (same < length - start && first.at(-1 - same) === second.at(-1 - same)) same += 1;
  return { start, ends: [first.length - same, second.length - same] };
}

/** What a pattern finds where the texts differ: the first match that touches that part. */
function matchAt(pattern: RegExp, text: string, start: number, end: number): string | undefined {
  for (const match of text.matchAll(pattern)) {
    const from = match.index;
    const to = from + match[0].length;
    // A part of no length lies between two characters.
    if (from <= start ? to > start || (to === start && end === start) : from < end) return match[0];
  }
  return undefined;
}

/** Both texts have such a part where they differ. */
function both(
  pattern: RegExp,
  [first, second]: readonly [string, string],
  { start, ends }: Span,
): readonly [string, string] | undefined {
  const one = matchAt(pattern, first, start, ends[0]);
  const other = matchAt(pattern, second, start, ends[1]);
  return one === undefined || other === undefined || one === other ? undefined : [one, other];
}

const DAY = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*';
const MONTH = '(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*';
const CLOCK = '\\d{1,2}:\\d{2}(?::\\d{2}(?:[.,]\\d+)?)?';

/** Dates and times of day as programs write them. */
const DATES = new RegExp(
  [
    `\\d{4}-\\d{2}-\\d{2}(?:[T _]${CLOCK})?(?: ?(?:Z|[+-]\\d{2}:?\\d{2}))?`,
    `\\d{4}[-/]?\\d{2}[-/]?\\d{2}[T _-]?\\d{2}:?\\d{2}(?::?\\d{2})?Z?`,
    `(?:${DAY},? +)?${MONTH} +\\d{1,2},? +(?:${CLOCK}(?: [AP]M)?(?: [A-Z]{3,4})? +)?\\d{4}`,
    `(?:${DAY},? +)?\\d{1,2} ${MONTH} \\d{4}(?: ${CLOCK})?(?: [+-]\\d{4})?`,
    CLOCK,
  ].join('|'),
  'g',
);

const NUMBERS = /\d+(?:\.\d+)?/g;
/** Not within a word, such as the random part of a name. */
const COUNTS = /(?<![A-Za-z0-9][A-Za-z]|\d)\d+(?![A-Za-z\d])/g;
const DAY_S = 86_400;

/** Seconds since 1970 of a number in seconds, ms, µs or ns, by how many digits it has. */
function epochSeconds(number: string): number | undefined {
  const [whole = ''] = number.split('.');
  const power = { 10: 0, 13: 3, 16: 6, 19: 9 }[whole.length];
  return power === undefined ? undefined : Number(whole) / 10 ** power;
}

/** Is this number about the time of a run? */
export function isTimeOf(seconds: number, { began, ended }: RunFacts): boolean {
  return seconds > began - DAY_S && seconds < ended + DAY_S;
}

const UUIDS = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi;
const TEMPORARY = /(?:\/[\w.-]+)*\/tmp\/[\w./-]+|\btmp[._-]?[A-Za-z0-9_]{4,}/g;
const LOCALES = /\b(?:[a-z]{2,3}_[A-Z]{2}(?:\.[\w-]+)?|C(?:\.[Uu][Tt][Ff]-?8)?|POSIX)(?![\w.-])/g;
const TOKENS = /[A-Za-z0-9+/=_-]{8,}/g;

/** Most of the characters differ, as with two draws of a lot. */
function areUnlike([first, second]: readonly [string, string]): boolean {
  const length = Math.max(first.length, second.length);
  let same = 0;
  for (let at = 0; at < length; at += 1) if (first[at] === second[at]) same += 1;
  return same < length / 2;
}

/** More processes than a step usually starts. */
const MANY_PROCESSES = 3000;

function isPid([one, other]: readonly [string, string], { lastPid }: RunFacts): boolean {
  const [first, second] = [Number(one), Number(other)];
  if (lastPid === undefined || !Number.isInteger(first)) return false;
  return second > lastPid && second < lastPid + MANY_PROCESSES && first < lastPid;
}

/** Words that stand for a thing that differs between the runs. */
function exactly(words: readonly [string, string], texts: readonly [string, string], span: Span) {
  const at = (index: 0 | 1) => {
    const word = words[index].replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    return matchAt(new RegExp(word, 'g'), texts[index], span.start, span.ends[index]);
  };
  return words[0] !== words[1] && at(0) !== undefined && at(1) !== undefined;
}

/**
 * Says what the part is in which two texts differ.
 * @param texts a line of each run's file, or a name
 * @returns undefined for what looks like nothing in particular
 */
export function recogniseText(
  texts: readonly [string, string],
  [first, second]: readonly [RunFacts, RunFacts],
): Cause | undefined {
  const span = differingSpan(...texts);
  if (!span) return undefined;
  if (both(UUIDS, texts, span)) return 'uuid';
  if (exactly([first.hostname, second.hostname], texts, span)) return 'hostname';
  if (both(DATES, texts, span)) return 'time';
  const numbers = both(NUMBERS, texts, span);
  if (numbers) {
    const [one, other] = numbers.map(epochSeconds);
    const isTime = one !== undefined && other !== undefined;
    if (isTime && isTimeOf(one, first) && isTimeOf(other, second)) return 'time';
  }
  const counts = both(COUNTS, texts, span);
  if (counts) {
    const [one, other] = counts.map(Number);
    if (one === first.cpus && other === second.cpus) return 'cpus';
    if (isPid(counts, second)) return 'pid';
  }
  if (both(TEMPORARY, texts, span)) return 'build-path';
  if (both(LOCALES, texts, span)) return 'locale';
  const tokens = both(TOKENS, texts, span);
  return tokens && areUnlike(tokens) ? 'random' : undefined;
}
