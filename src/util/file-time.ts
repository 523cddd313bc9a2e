/**
 * Seconds since the epoch as Node's utimes functions take them. A negative number, a time before
 * 1970, is the present to them, but not a Date.
 */
export function fileTime(seconds: number): number | Date {
  return seconds < 0 ? new Date(seconds * 1000) : seconds;
}

/** Beyond it a Date is none. ms */
const LAST_DATE_MS = 8.64e15;

/** A file's time for people. Some file systems have times that no Date has. @param ms since the epoch */
export function describeTime(ms: number): string {
  return Math.abs(ms) <= LAST_DATE_MS ? new Date(ms).toISOString() : `@${Math.floor(ms / 1000)}`;
}
