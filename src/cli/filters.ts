/** Options that select entries of the cache. */
import type { EntryFilter } from '../store/entries/cache-queries.js';
import { UsageError } from '../util/errors.js';
import { parseAge, parseSize } from '../util/units.js';

/** As commander gives them. */
export interface FilterOptions {
  readonly filter?: string;
  readonly older?: string;
  readonly newer?: string;
  readonly unused?: string;
  readonly larger?: string;
  readonly smaller?: string;
}

/** The value of an option as a size in bytes. @throws UsageError */
export function sizeOption(text: string | undefined, option: string): number | undefined {
  const bytes = text === undefined ? undefined : parseSize(text);
  if (text !== undefined && bytes === undefined)
    throw new UsageError(`${option} ${text}: not understood`, {
      hint: 'write it like 500, 10k, 1M or 2G',
    });
  return bytes;
}

function ageOption(text: string | undefined, option: string): number | undefined {
  const age = text === undefined ? undefined : parseAge(text);
  if (text !== undefined && age === undefined)
    throw new UsageError(`${option} ${text}: not understood`, {
      hint: 'write it like 30s, 5m, 2h or 7d',
    });
  return age;
}

/** Reads the options. @throws UsageError */
export function parseFilter(options: FilterOptions): EntryFilter {
  return {
    text: options.filter,
    olderThan: ageOption(options.older, '--older'),
    newerThan: ageOption(options.newer, '--newer'),
    unusedFor: ageOption(options.unused, '--unused'),
    largerThan: sizeOption(options.larger, '--larger'),
    smallerThan: sizeOption(options.smaller, '--smaller'),
  };
}
