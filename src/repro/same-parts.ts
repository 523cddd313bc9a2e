/** Files that have the same parts in another order. */
import type { Cause } from './causes.js';

function isPermutation(first: readonly string[], second: readonly string[]): boolean {
  if (first.length !== second.length || first.length < 2) return false;
  const sorted = [...second].sort();
  return [...first].sort().every((part, index) => part === sorted[index]);
}

function isSorted(parts: readonly string[], compare: (a: string, b: string) => number): boolean {
  return parts.every((part, index) => index === 0 || compare(parts[index - 1] ?? '', part) <= 0);
}

const byBytes = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
const byDictionary = new Intl.Collator('en').compare;

/** One is sorted as the C locale does it, the other one as a dictionary does. */
function differInCollation(first: readonly string[], second: readonly string[]): boolean {
  return (
    (isSorted(first, byBytes) && isSorted(second, byDictionary)) ||
    (isSorted(first, byDictionary) && isSorted(second, byBytes))
  );
}

/** Lines, or the words of a text whose lines differ. */
const SPLITS: readonly RegExp[] = [/\r?\n/, /[\s,;:]+/];

/**
 * Is it the same in another order?
 * @returns undefined when it is not
 */
export function recogniseOrder(first: string, second: string): Cause | undefined {
  for (const split of SPLITS) {
    const [one, other] = [first, second].map((text) => text.split(split).filter(Boolean)) as [
      string[],
      string[],
    ];
    if (isPermutation(one, other)) return differInCollation(one, other) ? 'locale' : 'order';
  }
  return undefined;
}

const BLOCK = 512;

/** Names of the members of a tar archive, as they follow each other; undefined when it is none. */
function tarNames(archive: Buffer): string[] | undefined {
  const names: string[] = [];
  for (let at = 0; at + BLOCK <= archive.length; ) {
    const header = archive.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) break;
    if (header.subarray(257, 262).toString('latin1') !== 'ustar') return undefined;
    const text = (from: number, bytes: number) =>
      header.toString('latin1', from, from + bytes).replace(/\0.*$/s, '');
    names.push(`${text(345, 155)}/${text(0, 100)}`);
    const size = Number.parseInt(text(124, 12).trim() || '0', 8);
    if (!Number.isSafeInteger(size)) return undefined;
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return names.length > 0 ? names : undefined;
}

/** Two tar archives with the same members in another order. */
export function areReordered(first: Buffer, second: Buffer): boolean {
  const [one, other] = [tarNames(first), tarNames(second)];
  if (!one || !other) return false;
  return isPermutation(one, other) && one.some((name, index) => name !== other[index]);
}
