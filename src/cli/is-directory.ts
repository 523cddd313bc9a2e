import { statNamed } from '../util/stat-named.js';

/** Does the command line name a directory? */
export function isDirectory(path: string): boolean {
  return statNamed(path)?.isDirectory() ?? false;
}
