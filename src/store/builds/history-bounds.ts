/** How much is kept of former builds: what the config file says of it, and what holds without one. */
import { parseSize } from '../../util/units.js';
import type { PolicyProblem } from '../gc/prune-policy.js';
import { isObject, unknownMember } from '../gc/prune-policy.js';
import type { HistoryBounds } from './build-files.js';

/** Bounds of a user who names none. */
export const DEFAULT_BOUNDS: HistoryBounds = {
  keepBuilds: 200,
  keepBytes: 64 * 1024 * 1024,
  keepDays: 90,
};

/** Reads the bounds of a config file. `"history": false` keeps nothing. @param value what JSON.parse gave */
export function parseHistory(value: unknown): HistoryBounds | PolicyProblem {
  const { history = {} } = isObject(value) ? value : {};
  if (history === false) return { ...DEFAULT_BOUNDS, keepBuilds: 0 };
  if (!isObject(history)) return { problem: 'history must be an object, or false' };
  const known = Object.keys(DEFAULT_BOUNDS);
  for (const name of Object.keys(history))
    if (!known.includes(name)) return unknownMember(name, known, 'history.');
  const { keepBytes: size } = history;
  const given: Readonly<Record<string, unknown>> = {
    ...history,
    ...(typeof size === 'string' ? { keepBytes: parseSize(size) } : {}),
  };
  for (const [name, number] of Object.entries(given))
    if (typeof number !== 'number' || !(number >= 0))
      return {
        problem: `history.${name} is ${JSON.stringify(history[name])}, and must be a number${name === 'keepBytes' ? ' or a size such as "64M"' : ''}`,
      };
  return { ...DEFAULT_BOUNDS, ...given };
}
