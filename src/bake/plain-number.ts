/** Numbers of compose files, as Go's YAML reads them and Go prints them: an id or a commit may be one, and its digits count. */

/** As strconv.ParseInt reads it with base 0: the octal numbers of YAML 1.1 are some. */
const INTEGER = /^([-+]?)(0[xX][\da-fA-F]+|0[bB][01]+|0[oO][0-7]+|0[0-7]*|[1-9]\d*)$/;
const FLOAT = /^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$/;

const INT64_END = 1n << 63n;
const UINT64_END = 1n << 64n;

function readInteger(plain: string): bigint | undefined {
  const [, sign = '', digits = ''] = INTEGER.exec(plain) ?? [];
  if (digits === '') return undefined;
  const size = BigInt(digits.replace(/^0(?=[0-7])/, '0o').toLowerCase());
  const end = sign === '' ? UINT64_END : sign === '-' ? INT64_END + 1n : INT64_END;
  if (size >= end) return undefined;
  return sign === '-' ? -size : size;
}

/** As %v prints a float64. */
function printFloat(value: number): string {
  const [digits, written] = value.toExponential().split('e');
  const exponent = Number(written);
  if (exponent >= -4 && exponent < 6) return String(value);
  const places = String(Math.abs(exponent)).padStart(2, '0');
  return `${digits}e${exponent < 0 ? '-' : '+'}${places}`;
}

/**
 * The text of a plain scalar that is a number, after that.
 * @returns undefined when it is none: 12e4567, which may be a commit, is too large for one
 */
export function plainNumber(source: string): string | undefined {
  const plain = /^[-+\d]/.test(source) ? source.replaceAll('_', '') : source;
  const integer = readInteger(plain);
  if (integer !== undefined) return String(integer);
  if (/^[-+]?\.(?:inf|Inf|INF)$/.test(source)) return source.startsWith('-') ? '-Inf' : '+Inf';
  const value = FLOAT.test(plain) ? Number(plain) : Number.NaN;
  return Number.isFinite(value) ? printFloat(value) : undefined;
}
