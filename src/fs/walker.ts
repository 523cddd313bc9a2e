/**
 * Reaches directories below a root by their path, one component at a time. What was opened last
 * stays open: files of one directory, and directories beside each other, cost no further open(2).
 * Paths may be longer than the kernel takes at once (PATH_MAX), and as deep as a file system allows.
 */
import { UnsupportedError } from '../util/errors.js';
import type { Directory, NameForm } from './directory.js';
import { closeDirectory, openDirectory, openRoot } from './directory.js';

/**
 * No real tree has directories nested so deep. The time to walk them grows with the square, and
 * what goes through trees of them calls itself for each level: deeper, Node's stack would be full.
 */
const MAX_DEPTH = 1200;

/** @throws UnsupportedError when directories are nested too deep */
export function checkDepth(depth: number, where: () => string): void {
  if (depth <= MAX_DEPTH) return;
  throw new UnsupportedError(
    `directories are nested more than ${MAX_DEPTH} deep, in ${where()}`,
    undefined,
    { hint: 'remove them: no tool but rm -r can handle them' },
  );
}

/** So many directories stay open at most, the deepest ones; those above are opened again. */
const KEPT_OPEN = 64;

/** Opens directories below one root. */
export interface Walker {
  /**
   * @param path relative to the root, '' is the root; no component may be a symbolic link
   * @returns a directory that is valid until the next call
   * @throws ENOENT, ENOTDIR (for a symbolic link as well), EACCES, EMFILE; UnsupportedError when it is
   *   too deep
   */
  at(path: string): Directory;
  close(): void;
}

/**
 * @param root trusted path of a directory; it is opened with the first call of `at`
 * @param form of the names in paths
 */
export function openWalker(root: string, form: NameForm = 'text'): Walker {
  let top: Directory | undefined;
  let current = '';
  const names: string[] = [];
  // held[i] is the directory of names[0..i]; undefined: closed, to be opened again if need be.
  const held: (Directory | undefined)[] = [];

  const leaveTo = (depth: number) => {
    for (const directory of held.splice(depth)) if (directory) closeDirectory(directory);
    names.length = depth;
  };
  const enter = (parent: Directory, name: string): Directory => {
    const directory = openDirectory(parent, name, form);
    names.push(name);
    held.push(directory);
    const far = held.length - 1 - KEPT_OPEN;
    const above = held[far];
    if (above) {
      closeDirectory(above);
      held[far] = undefined;
    }
    return directory;
  };

  const reach = (root: Directory, path: string): Directory => {
    const wanted = path === '' ? [] : path.split('/');
    checkDepth(wanted.length, () => `${wanted.slice(0, 3).join('/')}/...`);
    let same = 0;
    while (same < wanted.length && same < names.length && wanted[same] === names[same]) same += 1;
    leaveTo(same);
    // The deepest one that is still wanted may have been closed: then the way starts at the root.
    if (same > 0 && held[same - 1] === undefined) leaveTo(0);
    let directory = names.length === 0 ? root : (held[names.length - 1] as Directory);
    for (const name of wanted.slice(names.length)) directory = enter(directory, name);
    return directory;
  };

  return {
    at(path) {
      top ??= openRoot(root);
      if (path === current) return names.length === 0 ? top : (held[names.length - 1] as Directory);
      // After any error this list still has exactly the open directories.
      current = '\0';
      const directory = reach(top, path);
      current = path;
      return directory;
    },
    close() {
      leaveTo(0);
      if (top) closeDirectory(top);
      top = undefined;
      current = '';
    },
  };
}

/** Walkers of several roots, opened as they are asked for: the layers of a stack, say. */
export interface Walkers {
  /** As Walker.at. @param root trusted path of a directory */
  at(root: string, path: string): Directory;
  close(): void;
}

export function openWalkers(): Walkers {
  const walkers = new Map<string, Walker>();
  return {
    at(root, path) {
      let walker = walkers.get(root);
      if (walker === undefined) {
        walker = openWalker(root);
        walkers.set(root, walker);
      }
      return walker.at(path);
    },
    close() {
      for (const walker of walkers.values()) walker.close();
      walkers.clear();
    },
  };
}

/** Runs a function with walkers that are closed after it. */
export function withWalkers<T>(use: (walkers: Walkers) => T): T {
  const walkers = openWalkers();
  try {
    return use(walkers);
  } finally {
    walkers.close();
  }
}
