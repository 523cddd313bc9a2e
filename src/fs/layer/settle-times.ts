/**
 * Times of what no source has a time for. If they were those of the clock, the same files would
 * make another layer archive, and another digest, on each machine and each day.
 */
import { listNames, lstatEntry } from '../directory.js';
import { parentPath, pathBelow } from '../tree-path.js';
import type { Walker } from '../walker.js';
import { openWalker } from '../walker.js';
import { setDirectoryTime, setEntryTime } from '../write.js';

/** Seconds since the epoch for files whose content stands in the Dockerfile. */
export const NO_TIME = 0;

/**
 * Gives everything below a directory, and the directory itself, one time.
 * @param root trusted path of the directory
 * @param seconds since the epoch
 */
export function stampTree(root: string, seconds: number): void {
  const walker = openWalker(root);
  try {
    const directories = [''];
    // Directories are found while the list grows; their own times come after what is in them.
    for (const path of directories) {
      for (const name of listNames(walker.at(path))) {
        if (lstatEntry(walker.at(path), name)?.isDirectory())
          directories.push(pathBelow(path, name));
        else setEntryTime(walker.at(path), name, seconds * 1000);
      }
    }
    for (const path of directories.reverse()) setDirectoryTime(walker.at(path), seconds * 1000);
  } finally {
    walker.close();
  }
}

/** Newest time of the entries of a directory, in ms; undefined for an empty one. */
function newestIn(walker: Walker, path: string): number {
  const times = listNames(walker.at(path)).map(
    (name) => lstatEntry(walker.at(path), name)?.mtimeMs ?? 0,
  );
  return times.reduce((a, b) => Math.max(a, b), NO_TIME * 1000);
}

/**
 * Gives directories that a step made the newest time of their entries; an empty one has none.
 * @param paths relative to the layer, in any order; what is no directory is left out
 */
export function settleDirectories(layer: string, paths: Iterable<string>): void {
  const deepestFirst = [...new Set(paths)].sort((a, b) => b.length - a.length);
  const walker = openWalker(layer);
  try {
    for (const path of deepestFirst) {
      if (!isDirectoryAt(walker, path)) continue;
      setDirectoryTime(walker.at(path), newestIn(walker, path));
    }
  } finally {
    walker.close();
  }
}

function isDirectoryAt(walker: Walker, path: string): boolean {
  if (path === '') return true;
  const parent = parentPath(path);
  try {
    const directory = walker.at(parent);
    return lstatEntry(directory, path.slice(path.lastIndexOf('/') + 1))?.isDirectory() ?? false;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    throw error;
  }
}

/** A path and all directories above it, the layer's own ('') among them. */
export function withAncestors(path: string): string[] {
  const components = path === '' ? [] : path.split('/');
  return components.map((_, index) => components.slice(0, index + 1).join('/')).concat('');
}
