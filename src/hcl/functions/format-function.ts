/** `format` and `formatlist`: verbs as Go's fmt has them, for values of HCL. */
import { CallError } from '../evaluate.js';
import type { Value } from '../hcl-value.js';
import { asBoolean, asNumber, asText, formatNumber, isList, toJson } from '../hcl-value.js';
import type { Functions } from './arguments-of-call.js';
import { fn } from './arguments-of-call.js';

const VERB = /%([#+ 0-]*)(\d+)?(?:\.(\d+))?(?:\[(\d+)\])?(.)/gsu;

interface Verb {
  readonly flags: string;
  readonly precision: number | undefined;
  readonly letter: string;
}

function toNumber(value: Value, letter: string): number {
  const number = asNumber(value);
  if (number === undefined) throw new CallError(`%${letter} needs a number`);
  return number;
}

function integer(value: Value, letter: string, base: number): string {
  return Math.trunc(toNumber(value, letter)).toString(base);
}

/** Exponents of two digits at least, as C and Go have them. */
function withExponent(text: string): string {
  return text.replace(/e([+-])(\d)$/, 'e$10$2');
}

function plain(value: Value): string {
  return asText(value) ?? toJson(value);
}

function convert(value: Value, { flags, precision, letter }: Verb): string {
  switch (letter) {
    case 'v':
      if (flags.includes('#')) return toJson(value);
      return value === null ? 'null' : plain(value);
    case 's': {
      const text = asText(value);
      if (text === undefined) throw new CallError('%s needs a string');
      return precision === undefined ? text : [...text].slice(0, precision).join('');
    }
    case 'q':
      return JSON.stringify(plain(value));
    case 't': {
      const found = asBoolean(value);
      if (found === undefined) throw new CallError('%t needs a bool');
      return String(found);
    }
    case 'd':
      return formatNumber(Math.trunc(toNumber(value, letter)));
    case 'b':
      return integer(value, letter, 2);
    case 'o':
      return integer(value, letter, 8);
    case 'x':
    case 'X': {
      const hex =
        typeof value === 'string' ? Buffer.from(value).toString('hex') : integer(value, letter, 16);
      return letter === 'X' ? hex.toUpperCase() : hex;
    }
    case 'f':
    case 'F':
      return toNumber(value, letter).toFixed(precision ?? 6);
    case 'e':
    case 'E': {
      const text = withExponent(toNumber(value, letter).toExponential(precision ?? 6));
      return letter === 'E' ? text.toUpperCase() : text;
    }
    case 'g':
    case 'G': {
      const number = toNumber(value, letter);
      const text =
        precision === undefined
          ? String(number)
          : String(Number(number.toPrecision(precision || 1)));
      return letter === 'G' ? text.toUpperCase() : text;
    }
    default:
      throw new CallError(`%${letter} is not known`);
  }
}

function pad(text: string, flags: string, width: number): string {
  const isNumber = /^-?[\d.]/.test(text);
  const signed = flags.includes('+') && isNumber && !text.startsWith('-') ? `+${text}` : text;
  const spaced = flags.includes(' ') && signed === text && /^\d/.test(text) ? ` ${text}` : signed;
  const missing = width - [...spaced].length;
  if (missing <= 0) return spaced;
  if (flags.includes('-')) return spaced + ' '.repeat(missing);
  if (!flags.includes('0') || !isNumber) return ' '.repeat(missing) + spaced;
  const [sign = ''] = /^[+-]?/.exec(spaced) ?? [];
  return sign + '0'.repeat(missing) + spaced.slice(sign.length);
}

/** Wider is no text that somebody wants. */
const MAX_WIDTH = 10_000;

function formatValues(template: string, values: readonly Value[]): string {
  let next = 0;
  let seen = 0;
  const made = template.replace(
    VERB,
    (
      _all,
      flags: string,
      width = '0',
      precision: string | undefined,
      index: string | undefined,
      letter: string,
    ) => {
      if (letter === '%') return '%';
      if (Number(width) > MAX_WIDTH || Number(precision ?? 0) > 100)
        throw new CallError(`%${letter} is too wide`);
      const at = index === undefined ? next : Number(index) - 1;
      next = at + 1;
      seen = Math.max(seen, next);
      const value = values[at];
      if (value === undefined) throw new CallError(`there is no value ${at + 1} for %${letter}`);
      const verb = {
        flags,
        letter,
        precision: precision === undefined ? undefined : Number(precision),
      };
      return pad(convert(value, verb), flags, Number(width));
    },
  );
  if (seen < values.length)
    throw new CallError(`there are ${values.length} values, and ${seen} are used`);
  return made;
}

/** Each list gives one value to each text. */
function formatLists(template: string, values: readonly Value[]): Value {
  const lengths = new Set(values.filter(isList).map(({ length }) => length));
  if (lengths.size > 1) throw new CallError('the lists have different lengths');
  const [length = 1] = lengths;
  return Array.from({ length }, (_, at) =>
    formatValues(
      template,
      values.map((value) => (isList(value) ? (value[at] ?? null) : value)),
    ),
  );
}

export const FORMAT_FUNCTIONS: Functions = {
  format: fn(1, ({ all, text }) => formatValues(text(0), all.slice(1)), Infinity),
  formatlist: fn(1, ({ all, text }) => formatLists(text(0), all.slice(1)), Infinity),
};
