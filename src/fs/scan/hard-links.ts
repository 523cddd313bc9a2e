/**
 * Names of one file. BuildKit and tar keep them one file within what is copied at once; a program
 * in the image can tell (stat(2), st_nlink), and so they are part of a COPY's key.
 */
import { constants } from 'node:fs';
import { getKind } from './file-stats.js';
import type { ScannedDirectory } from './listing.js';
import { FINGERPRINT_FIELDS, OTHER_FIELDS } from './stat-names.js';

/** Paths relative to a selection: each group sorted, the groups by their first path. */
export type LinkGroups = readonly (readonly string[])[];

// Asked for each file: Node's object of constants is slow to look at.
const { S_IFMT, S_IFCHR } = constants;

/** A device 0/0 of a layer, which removes a file of those below. */
const isWhiteout = ({ others }: ScannedDirectory, index: number) =>
  ((others[index * OTHER_FIELDS] as number) & S_IFMT) === S_IFCHR &&
  others[index * OTHER_FIELDS + 4] === 0;

/** Calls `onFile` for each file that has several names, wherever they are, and for whiteouts. */
function eachLinked(
  directory: ScannedDirectory,
  prefix: string,
  onFile: (directory: ScannedDirectory, index: number, getPath: (index: number) => string) => void,
): void {
  const { count, others, subdirectories } = directory;
  let names: readonly string[] | undefined;
  const getPath = (index: number) => {
    names ??= directory.names;
    return prefix + names[index];
  };
  for (let index = 0; index < count; index += 1) {
    const at = index * OTHER_FIELDS;
    const hasOthers = (others[at + 3] as number) > 1 && getKind(others[at] as number) !== 'dir';
    if (!hasOthers && !isWhiteout(directory, index)) continue;
    onFile(directory, index, getPath);
  }
  for (const [name, below] of subdirectories) eachLinked(below, `${prefix}${name}/`, onFile);
}

/** No inode has it. */
const WHITEOUTS = -1;

/**
 * All whiteouts count as names of one file: overlayfs makes one of several when programs remove files, and others when
 * they rename them, and an archive does not say which.
 */
const inodeAt = (directory: ScannedDirectory, index: number) =>
  isWhiteout(directory, index)
    ? WHITEOUTS
    : (directory.fields[index * FINGERPRINT_FIELDS + 1] as number);

/**
 * Inodes that are met more than once. Mostly there are none: all files of a layer may have another name in
 * another layer, and no text is made for them.
 */
function repeatedInodes(files: ScannedDirectory): ReadonlySet<number> {
  const seen = new Set<number>();
  const repeated = new Set<number>();
  eachLinked(files, '', (directory, index) => {
    const inode = inodeAt(directory, index);
    if (seen.has(inode)) repeated.add(inode);
    else seen.add(inode);
  });
  return repeated;
}

/** @returns undefined when no two names are those of one file */
export function linkGroups(files: ScannedDirectory): LinkGroups | undefined {
  const repeated = repeatedInodes(files);
  if (repeated.size === 0) return undefined;
  const byInode = new Map<string, string[]>();
  eachLinked(files, '', (directory, index, getPath) => {
    const inode = inodeAt(directory, index);
    if (!repeated.has(inode)) return;
    // Two file systems have the same numbers.
    const key = `${directory.fields[index * FINGERPRINT_FIELDS + 2]}:${inode}`;
    const path = getPath(index);
    const group = byInode.get(key);
    if (group) group.push(path);
    else byInode.set(key, [path]);
  });
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
