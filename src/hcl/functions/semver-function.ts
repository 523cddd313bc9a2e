/** `semvercmp`: does a version satisfy a constraint such as `>= 1.2, < 2` or `^1.4`? */
import { CallError } from '../evaluate.js';
import type { Functions } from './arguments-of-call.js';
import { fn } from './arguments-of-call.js';

interface Version {
  readonly numbers: readonly [number, number, number];
  /** How many of them were written. */
  readonly given: number;
  readonly pre: string;
}

function parseVersion(text: string): Version {
  const match =
    /^v?(\d+|[xX*])(?:\.(\d+|[xX*]))?(?:\.(\d+|[xX*]))?(?:-([0-9A-Za-z.-]+))?(?:\+.*)?$/.exec(
      text.trim(),
    );
  if (!match) throw new CallError(`${JSON.stringify(text)} is no version`);
  const parts = match.slice(1, 4).filter((part) => part !== undefined && /^\d/.test(part));
  const [major = 0, minor = 0, patch = 0] = parts.map(Number);
  return { numbers: [major, minor, patch], given: parts.length, pre: match[4] ?? '' };
}

/** Below 0: the first is older. */
function compare(a: Version, b: Version): number {
  for (const [at, number] of a.numbers.entries()) {
    const other = b.numbers[at] ?? 0;
    if (number !== other) return number - other;
  }
  if (a.pre === b.pre) return 0;
  if (a.pre === '') return 1;
  if (b.pre === '') return -1;
  return a.pre.localeCompare(b.pre, 'en', { numeric: true });
}

/** The first version that is not like the given one in its first numbers. */
function after(version: Version, kept: number): Version {
  const [major, minor, patch] = version.numbers;
  const numbers = [
    [major + 1, 0, 0],
    [major, minor + 1, 0],
    [major, minor, patch + 1],
  ] as const;
  return { numbers: numbers[kept - 1] ?? [Number.POSITIVE_INFINITY, 0, 0], given: 3, pre: '' };
}

function isWithin(version: Version, low: Version, end: Version): boolean {
  return compare(version, low) >= 0 && compare(version, end) < 0;
}

function satisfiesOne(version: Version, constraint: string): boolean {
  const [, operator = '', text = ''] =
    /^\s*(=|!=|>=|=>|<=|=<|>|<|~>?|\^)?\s*(.*?)\s*$/.exec(constraint) ?? [];
  const wanted = parseVersion(text);
  switch (operator) {
    case '>':
      return wanted.given < 3
        ? compare(version, after(wanted, wanted.given)) >= 0
        : compare(version, wanted) > 0;
    case '<':
      return compare(version, wanted) < 0;
    case '>=':
    case '=>':
      return compare(version, wanted) >= 0;
    case '<=':
    case '=<':
      return wanted.given < 3
        ? compare(version, after(wanted, wanted.given)) < 0
        : compare(version, wanted) <= 0;
    case '!=':
      return !isWithin(version, wanted, after(wanted, wanted.given));
    case '~':
    case '~>':
      return isWithin(version, wanted, after(wanted, Math.min(2, wanted.given)));
    case '^': {
      const first = wanted.numbers.findIndex((number) => number > 0);
      return isWithin(
        version,
        wanted,
        after(wanted, first === -1 ? Math.max(1, wanted.given) : first + 1),
      );
    }
    default:
      return isWithin(version, wanted, after(wanted, wanted.given));
  }
}

/** `||` between alternatives, commas or spaces between what must all hold. */
function satisfies(version: Version, constraint: string): boolean {
  return constraint.split('||').some((all) =>
    all
      .trim()
      .split(/\s*,\s*|\s+(?=[=!<>~^\dvV*xX])(?<![=!<>~^]\s+)/)
      .every((one) => satisfiesOne(version, one)),
  );
}

export const SEMVER_FUNCTIONS: Functions = {
  semvercmp: fn(2, ({ text }) => satisfies(parseVersion(text(0)), text(1))),
};
