/**
 * Seconds since the epoch as Node's utimes functions take them. A negative number, a time before
 * 1970, is the present to them, but not a Date.
 */
export function fileTime(seconds: number): number | Date {
  return seconds < 0 ? new Date(seconds * 1000) : seconds;
}
