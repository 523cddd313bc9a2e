/** Files of one directory together, as requests to wiac-sys list them. Pure. */
import { lastName, parentPath } from '../tree-path.js';
import type { Place } from './file-source.js';

/** What is somewhere. */
interface Placed {
  readonly place: Place;
}

/** Files of one directory. */
export interface SameDirectory<T> {
  readonly directory: string;
  readonly names: readonly string[];
  /** In the order of their names. */
  readonly files: readonly T[];
}

/** Files by their roots, those of a directory together. */
export function byRoot<T extends Placed>(files: readonly T[]): Map<string, SameDirectory<T>[]> {
  const roots = new Map<string, Map<string, T[]>>();
  for (const file of files) {
    const { root, path } = file.place;
    const directories = roots.get(root) ?? new Map<string, T[]>();
    roots.set(root, directories);
    const directory = parentPath(path);
    const there = directories.get(directory);
    if (there) there.push(file);
    else directories.set(directory, [file]);
  }
  const named = ([directory, there]: [string, T[]]): SameDirectory<T> => ({
    directory,
    names: there.map(({ place }) => lastName(place.path)),
    files: there,
  });
  return new Map([...roots].map(([root, directories]) => [root, [...directories].map(named)]));
}
