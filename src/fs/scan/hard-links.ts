/**
 * Names of one file. BuildKit and tar keep them one file within what is copied at once; a program
 * in the image can tell (stat(2), st_nlink), and so they are part of a COPY's key.
 */
import type { ScannedDirectory } from './listing.js';
import { linkedFiles } from './listing.js';

/** Paths relative to a selection: each group sorted, the groups by their first path. */
export type LinkGroups = readonly (readonly string[])[];

/** @returns undefined when no two names are those of one file */
export function linkGroups(files: ScannedDirectory): LinkGroups | undefined {
  const byInode = new Map<string, string[]>();
  for (const { path, inode } of linkedFiles(files)) {
    const group = byInode.get(inode);
    if (group) group.push(path);
    else byInode.set(inode, [path]);
  }
  // A file whose other names lie elsewhere is like any other.
  const groups = [...byInode.values()].filter((group) => group.length > 1);
  if (groups.length === 0) return undefined;
  for (const group of groups) group.sort();
  return groups.sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
}

/** Groups without the paths that were gone when they were read. */
export function withoutPaths(
  groups: LinkGroups | undefined,
  gone: ReadonlySet<string>,
): LinkGroups | undefined {
  const left = groups
    ?.map((group) => group.filter((path) => !gone.has(path)))
    .filter((group) => group.length > 1);
  return left === undefined || left.length === 0 ? undefined : left;
}
