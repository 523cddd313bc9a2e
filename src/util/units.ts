/** Sizes and ages as people write them. */

const SIZE_UNITS: Readonly<Record<string, number>> = { '': 0, k: 1, m: 2, g: 3, t: 4 };
const AGE_UNITS: Readonly<Record<string, number>> = { s: 1e3, m: 60e3, h: 3600e3, d: 86400e3 };

/** `500`, `10k`, `1.5M`, `2GB` (powers of 1000), `2GiB` (of 1024) in bytes; undefined for others. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([kmgt]?)(i?)(b?)$/i.exec(text);
  if (!match) return undefined;
  const [, number, unit = '', binary] = match;
  if (binary && unit === '') return undefined;
  const power = SIZE_UNITS[unit.toLowerCase()] ?? 0;
  return Math.floor(Number(number) * (binary ? 1024 : 1000) ** power);
}

/** `30s`, `5m`, `2h`, `7d` in ms; undefined for others. */
export function parseAge(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([smhd])$/i.exec(text);
  const factor = AGE_UNITS[match?.[2]?.toLowerCase() ?? ''];
  return match && factor !== undefined ? Number(match[1]) * factor : undefined;
}
