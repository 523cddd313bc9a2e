/** Files that several test files need and that take long to make: one of them makes it for all. */
import { join } from 'node:path';
import type { Options } from 'execa';
import { execa } from 'execa';

/** The others wait for the lock. A file that is half done has no name yet. */
const SCRIPT = 'if [ ! -e "$0" ]; then "$@" "$0.unfinished"; mv "$0.unfinished" "$0"; fi';

/**
 * Makes a file unless it is there already in this run of the tests: the set-up of the next one removes all that
 * esbuild.config.js has not written.
 * @param command gets the path as its last word
 * @returns the path
 */
export async function madeOnce(
  name: string,
  command: readonly string[],
  options: Options = {},
): Promise<string> {
  const path = join(process.cwd(), 'dist-checkpoints', name);
  await execa('flock', [`${path}.lock`, 'sh', '-ec', SCRIPT, path, ...command], options);
  return path;
}
