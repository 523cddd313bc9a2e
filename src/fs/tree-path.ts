/** Paths in a tree: relative to its top, which is '', with `/` between names and no `.` or `..`. */

/** The path of a name in the directory at a path; both relative, '' is the top. */
export function pathBelow(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`;
}

/** The path of the directory that a path is in; '' for what is at the top. */
export function parentPath(path: string): string {
  // Asked for each file, more than once: posix.dirname takes three times as long.
  const slash = path.lastIndexOf('/');
  return slash === -1 ? '' : path.slice(0, slash);
}

/** The last name of a path. */
export function lastName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
