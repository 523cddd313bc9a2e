/** Which files a shared cache keeps when there is not room for all. Pure. */

/** Something that takes room. */
export interface Candidate {
  readonly bytes: number;
  /** When it was last used: ms since the epoch. */
  readonly used: number;
}

/**
 * Chooses what was used most recently. What is too large for the room that is left is passed over:
 * one large file does not cost all that were used before it.
 * @param most bytes in all
 * @returns what stays, in no particular order
 */
export function chooseRecent<T extends Candidate>(candidates: readonly T[], most: number): Set<T> {
  const total = candidates.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total <= most) return new Set(candidates);
  const chosen = new Set<T>();
  let left = most;
  for (const candidate of candidates.toSorted((a, b) => b.used - a.used || a.bytes - b.bytes)) {
    if (candidate.bytes > left) continue;
    chosen.add(candidate);
    left -= candidate.bytes;
  }
  return chosen;
}

/** Times of a file, ms since the epoch, and what is known of its use. */
export interface FileUse {
  readonly atimeMs: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  /** Of a file that did not change since the last snapshot: when it was used before that. */
  readonly before: number | undefined;
  readonly now: number;
}

/**
 * When was a file last used? With `relatime`, the usual mount option, the first read after a write
 * sets the time of access; with `noatime` none does, and a file counts as used when it was written.
 * The ctime of a file that was brought back says when that was, and nothing of its use.
 * @returns ms since the epoch, never after now
 */
export function lastUse({ atimeMs, mtimeMs, ctimeMs, before, now }: FileUse): number {
  let last = 0;
  // A time in the future was set by a program, and says nothing.
  const count = (time: number) => {
    if (time <= now && time > last) last = time;
  };
  count(atimeMs);
  if (before !== undefined) count(before);
  else {
    count(mtimeMs);
    count(ctimeMs);
  }
  return last;
}
