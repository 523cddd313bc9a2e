/** Paths in a tree: relative to its top, which is '', with `/` between names and no `.` or `..`. */

import { posix } from 'node:path';

/** The path of a name in the directory at a path; both relative, '' is the top. */
export function pathBelow(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`;
}

/** The path of the directory that a path is in; '' for what is at the top. */
export function parentPath(path: string): string {
  const parent = posix.dirname(path);
  return parent === '.' ? '' : parent;
}
