/** Sizes and ages as people write them. */

const SIZE_UNITS = ['', 'k', 'm', 'g', 't', 'p'];
const AGE_UNITS: Readonly<Record<string, number>> = { s: 1e3, m: 60e3, h: 3600e3, d: 86400e3 };

/** @param kilo what `k` stands for; `ki` is 1024 in any case */
function getBytes(text: string, kilo: 1000 | 1024): number | undefined {
  const match = /^(\d+(?:\.\d*)?|\.\d+) ?(?:([kmgtp])(i?))?b?$/i.exec(text);
  if (!match) return undefined;
  const [, number, unit = '', binary] = match;
  const power = SIZE_UNITS.indexOf(unit.toLowerCase());
  return Math.floor(Number(number) * (binary ? 1024 : kilo) ** power);
}

/**
 * Sizes of files and caches: `500`, `10k`, `1.5M`, `2GB` (powers of 1000), `2GiB` (of 1024).
 * @returns bytes; undefined for others
 */
export function parseSize(text: string): number | undefined {
  return getBytes(text, 1000);
}

/**
 * Sizes of memory, as docker and the kernel have them: `64m`, `64MB` and `64MiB` are the same.
 * @returns bytes; undefined for others, and for those that no number holds exactly
 */
export function parseBinarySize(text: string): number | undefined {
  const bytes = getBytes(text, 1024);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** `30s`, `5m`, `2h`, `7d` in ms; undefined for others. */
export function parseAge(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([smhd])$/i.exec(text);
  const factor = AGE_UNITS[match?.[2]?.toLowerCase() ?? ''];
  return match && factor !== undefined ? Number(match[1]) * factor : undefined;
}
