/** Times of files that differ because the runs were at other times, which every build does. */
import type { FileStats } from '../fs/scan/file-stats.js';
import type { RunFacts } from './run-facts.js';

/** Clocks of file systems are coarser than others. Seconds. */
const SLACK_S = 2;

/** Was the file written, and its time not set, while the step ran? */
function isWritten(path: string, { mtimeMs }: FileStats, { began, ended }: RunFacts): boolean {
  const seconds = mtimeMs / 1000;
  // The root of a layer may be made long before its step begins: while the step before runs.
  const isLate = path === '' || seconds >= began - SLACK_S;
  return isLate && seconds <= ended + SLACK_S;
}

/**
 * May two times of a file differ? Keys of steps have no times in them, and SOURCE_DATE_EPOCH with
 * --rewrite-timestamp gives every file that is younger the same time in an image.
 * @param path relative to the layer
 * @param timesBefore what is as it will be in an image: times from there on are all the same then.
 *   Undefined: a file that was written during the run may have any time of that
 */
export function isOrdinaryTime(
  path: string,
  first: FileStats,
  second: FileStats,
  {
    first: one,
    second: other,
    timesBefore,
  }: {
    readonly first: RunFacts;
    readonly second: RunFacts;
    readonly timesBefore: number | undefined;
  },
): boolean {
  if (timesBefore === undefined)
    return isWritten(path, first, one) && isWritten(path, second, other);
  // Archives have whole seconds.
  const inImage = ({ mtimeMs }: FileStats) => Math.min(Math.floor(mtimeMs / 1000), timesBefore);
  return inImage(first) === inImage(second);
}
