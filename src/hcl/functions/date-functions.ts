/** Functions on times. */
import { parseDuration } from '../../dockerfile/duration.js';
import { CallError } from '../evaluate.js';
import type { Value } from '../hcl-value.js';
import type { Functions } from './arguments-of-call.js';
import { fn } from './arguments-of-call.js';

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;
const MONTHS = [
  ...['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September'],
  ...['October', 'November', 'December'],
];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/** A time, and how far the clock of its place is from UTC. */
interface Time {
  readonly ms: number;
  readonly offsetMinutes: number;
}

function parseTime(text: string): Time {
  const match = RFC3339.exec(text);
  const ms = match ? Date.parse(text.toUpperCase()) : Number.NaN;
  if (!match || Number.isNaN(ms))
    throw new CallError(`${JSON.stringify(text)} is no time like 2024-01-31T12:00:00Z`);
  const [, sign, hours = '0', minutes = '0'] = /^([+-])(\d\d):(\d\d)$/.exec(match[7] ?? '') ?? [];
  const offset = Number(hours) * 60 + Number(minutes);
  return { ms, offsetMinutes: sign === '-' ? -offset : offset };
}

function twoDigits(number: number): string {
  return String(number).padStart(2, '0');
}

function zone({ offsetMinutes }: Time, between: string): string {
  const sign = offsetMinutes < 0 ? '-' : '+';
  const minutes = Math.abs(offsetMinutes);
  return `${sign}${twoDigits(Math.floor(minutes / 60))}${between}${twoDigits(minutes % 60)}`;
}

function formatTime(time: Time): string {
  const local = new Date(time.ms + time.offsetMinutes * 60_000).toISOString().slice(0, 19);
  return local + (time.offsetMinutes === 0 ? 'Z' : zone(time, ':'));
}

/** The sequences of letters of go-cty's formatdate. */
function formatLetters(letters: string, time: Time): string {
  const local = new Date(time.ms + time.offsetMinutes * 60_000);
  const hour = local.getUTCHours();
  const half = hour % 12 === 0 ? 12 : hour % 12;
  const month = MONTHS[local.getUTCMonth()] ?? '';
  const day = DAYS[local.getUTCDay()] ?? '';
  const known: Readonly<Record<string, string>> = {
    YYYY: String(local.getUTCFullYear()).padStart(4, '0'),
    YY: twoDigits(local.getUTCFullYear() % 100),
    MMMM: month,
    MMM: month.slice(0, 3),
    MM: twoDigits(local.getUTCMonth() + 1),
    M: String(local.getUTCMonth() + 1),
    DD: twoDigits(local.getUTCDate()),
    D: String(local.getUTCDate()),
    EEEE: day,
    EEE: day.slice(0, 3),
    hh: twoDigits(hour),
    h: String(hour),
    HH: twoDigits(half),
    H: String(half),
    mm: twoDigits(local.getUTCMinutes()),
    m: String(local.getUTCMinutes()),
    ss: twoDigits(local.getUTCSeconds()),
    s: String(local.getUTCSeconds()),
    AA: hour < 12 ? 'AM' : 'PM',
    aa: hour < 12 ? 'am' : 'pm',
    Z: time.offsetMinutes === 0 ? 'Z' : zone(time, ':'),
    ZZZ: time.offsetMinutes === 0 ? 'UTC' : zone(time, ''),
    ZZZZ: zone(time, ''),
    ZZZZZ: zone(time, ':'),
  };
  const found = known[letters];
  if (found === undefined) throw new CallError(`${letters} means nothing in a date`);
  return found;
}

function formatDate(format: string, time: Time): string {
  return format.replace(/'((?:[^']|'')*)'|([A-Za-z])\2*/g, (all, quoted: string | undefined) =>
    quoted === undefined ? formatLetters(all, time) : quoted.replaceAll("''", "'") || "'",
  );
}

function describeTime(time: Time): Value {
  const local = new Date(time.ms + time.offsetMinutes * 60_000);
  const first = Date.UTC(local.getUTCFullYear(), 0, 1);
  const yearDay = Math.floor((local.getTime() - first) / 86_400_000) + 1;
  // The week that the year's first Thursday is in is its first one.
  const thursday = new Date(local);
  thursday.setUTCDate(local.getUTCDate() + 4 - (local.getUTCDay() || 7));
  const isoFirst = Date.UTC(thursday.getUTCFullYear(), 0, 1);
  const isoWeek = Math.ceil(((thursday.getTime() - isoFirst) / 86_400_000 + 1) / 7);
  return new Map<string, Value>([
    ['year', local.getUTCFullYear()],
    ['year_day', yearDay],
    ['day', local.getUTCDate()],
    ['month', local.getUTCMonth() + 1],
    ['month_name', MONTHS[local.getUTCMonth()] ?? ''],
    ['weekday', local.getUTCDay()],
    ['weekday_name', DAYS[local.getUTCDay()] ?? ''],
    ['hour', local.getUTCHours()],
    ['minute', local.getUTCMinutes()],
    ['second', local.getUTCSeconds()],
    ['unix', Math.floor(time.ms / 1000)],
    ['iso_year', thursday.getUTCFullYear()],
    ['iso_week', isoWeek],
  ]);
}

/** @param now what `timestamp` gives */
export function dateFunctions(now: () => Date): Functions {
  return {
    timestamp: fn(0, () => formatTime({ ms: now().getTime(), offsetMinutes: 0 })),
    formatdate: fn(2, ({ text }) => formatDate(text(0), parseTime(text(1)))),
    formattimestamp: fn(2, ({ text }) => formatDate(text(0), parseTime(text(1)))),
    timeadd: fn(2, ({ text }) => {
      const time = parseTime(text(0));
      const nanoseconds = parseDuration(text(1));
      if (nanoseconds === undefined) throw new CallError(`${text(1)} is no duration like 1h30m`);
      return formatTime({ ...time, ms: time.ms + nanoseconds / 1e6 });
    }),
    rfc3339parse: fn(1, ({ text }) => describeTime(parseTime(text(0)))),
    unixtimestampparse: fn(1, ({ integer }) =>
      describeTime({ ms: integer(0) * 1000, offsetMinutes: 0 }),
    ),
  };
}
