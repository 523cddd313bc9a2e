const NANOSECONDS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};
const MAX_NANOSECONDS = 2 ** 63;

/**
 * Reads a duration as Go writes them (`1h30m`, `1.5s`, `300ms`, `0`), which HEALTHCHECK's flags
 * take; undefined when it is none.
 *
 * @returns nanoseconds, as the image config wants them
 */
export function parseDuration(text: string): number | undefined {
  const [sign = ''] = /^[-+]/.exec(text) ?? [];
  const unsigned = text.slice(sign.length);
  if (unsigned === '0') return 0;
  if (unsigned === '') return undefined;
  const part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y;
  let total = 0;
  while (part.lastIndex < unsigned.length) {
    const match = part.exec(unsigned);
    if (match === null) return undefined;
    total += Number(match[1]) * (NANOSECONDS[match[2] ?? ''] ?? Number.NaN);
  }
  const rounded = Math.floor(total);
  if (!(rounded < MAX_NANOSECONDS)) return undefined;
  return sign === '-' ? -rounded : rounded;
}
