/** Many look-ups in one directory, from within it. */

/** Files of a directory from which on it pays to go there. */
const MANY = 16;

/** The current directory; undefined when there is no way back to it: it was removed, say. */
function currentDirectory(): string | undefined {
  try {
    // Node remembers the name, and does not look whether it is still true.
    const directory = process.cwd();
    process.chdir(directory);
    return directory;
  } catch {
    return undefined;
  }
}

/**
 * Lets an action look at files of a directory by their names alone: otherwise the kernel walks the
 * directory's path for each of them, and each path is a string more (a tenth of a scan). Nothing else
 * runs meanwhile, and all other paths are absolute. For the main thread only.
 * @param directory undefined, or one whose name is no text: the action is to use whole paths
 * @param files how many the action looks at
 * @param action is told whether it is within the directory; it must not wait for anything
 */
export function fromWithin<T>(
  directory: string | Buffer | undefined,
  files: number,
  action: (within: boolean) => T,
): T {
  const former = typeof directory === 'string' && files >= MANY ? currentDirectory() : undefined;
  if (former === undefined) return action(false);
  process.chdir(directory as string);
  try {
    return action(true);
  } finally {
    process.chdir(former);
  }
}
