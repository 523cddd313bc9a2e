/**
 * A clock that begins at the time of day and then goes on evenly, also while somebody sets the system's: how long after
 * another thing something happened is never negative, nor a year.
 * @returns ms since 1970, whole ones
 */
export function openSteadyClock(): () => number {
  const began = Date.now();
  const origin = performance.now();
  return () => began + Math.floor(performance.now() - origin);
}
