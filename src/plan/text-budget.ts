/**
 * How much text a plan may have. Variables that are made of each other grow exponentially; the line
 * the error names the place before the memory is full.
 */
import { MAX_TEXT, tooLong } from '../dockerfile/expand.js';
import type { SourceLocation } from '../util/errors.js';

/** Counts characters. */
export interface TextBudget {
  /** @throws DockerfileError at the place where there are too many */
  readonly spend: (characters: number, location: SourceLocation) => void;
}

/** @param times of what a Dockerfile may have after expansion */
export function textBudget(times = 1): TextBudget {
  let left = MAX_TEXT * times;
  return {
    spend: (characters, location) => {
      left -= characters;
      if (left < 0) throw tooLong(location);
    },
  };
}

/** What an entry of a table that is copied counts for, in characters. */
export const COPIED_ENTRY = 32;

/** Characters of all strings in a value, and one for each value. */
export function textSize(value: unknown): number {
  if (typeof value === 'string') return value.length + 1;
  if (typeof value !== 'object' || value === null) return 1;
  let size = 1;
  for (const member of Object.values(value)) size += textSize(member);
  return size;
}
