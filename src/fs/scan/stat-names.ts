/** What lstat says of the names in directories, as numbers: here, or by wiac-sys where they are many. */
import type { Stats } from 'node:fs';
import { constants } from 'node:fs';
import { DIRECTORY_GONE, FILE_GONE, STAT_FIELDS, statListed } from '../../native/list-stats.js';
import { lstatEntry } from '../directory.js';
import type { Walkers } from '../walker.js';
import type { Listing } from './file-source.js';
import type { FileStats } from './file-stats.js';

/** mode, ino, dev, ctime, size, mtime, uid, gid. */
export const FINGERPRINT_FIELDS = 8;

/** st_mode, size, mtime, nlink, rdev. */
export const OTHER_FIELDS = 5;

const PERMISSIONS = 0o7777;

const { S_IFMT, S_IFDIR } = constants;

/** Writes the numbers of one file that fingerprints are made of. */
export function writeFields(
  fields: Float64Array,
  at: number,
  stats: Omit<FileStats, 'kind' | 'nlink' | 'rdev'>,
  isDirectory: boolean,
): void {
  // The Ms values are doubles of sub-microsecond resolution: finer than the kernel's clock tick.
  fields[at] = stats.mode & PERMISSIONS;
  fields[at + 1] = stats.ino;
  fields[at + 2] = stats.dev;
  fields[at + 3] = stats.ctimeMs;
  // A directory's size and mtime tell of its entries, which are looked at one by one anyway.
  fields[at + 4] = isDirectory ? 0 : stats.size;
  fields[at + 5] = isDirectory ? 0 : stats.mtimeMs;
  fields[at + 6] = stats.uid;
  fields[at + 7] = stats.gid;
}

export function writeOthers(
  others: Float64Array,
  at: number,
  stats: Pick<Stats, 'mode' | 'size' | 'mtimeMs' | 'nlink' | 'rdev'>,
): void {
  others[at] = stats.mode;
  others[at + 1] = stats.size;
  others[at + 2] = stats.mtimeMs;
  others[at + 3] = stats.nlink;
  others[at + 4] = stats.rdev;
}

/** A directory whose names are known. */
export interface NamedDirectory {
  readonly path: string;
  readonly listing: Listing;
  readonly names: readonly string[];
}

/** lstat of everything in a directory, in the order of the names. */
export interface DirectoryNumbers {
  readonly fields: Float64Array;
  readonly others: Float64Array;
  readonly directories: readonly string[];
  /** Names that were gone when they were looked at. */
  readonly gone: ReadonlySet<string>;
}

/** @param write writes the numbers of a name, and returns its st_mode; undefined when it is gone */
function collect(
  names: readonly string[],
  write: (
    name: string,
    index: number,
    numbers: Pick<DirectoryNumbers, 'fields' | 'others'>,
  ) => number | undefined,
): DirectoryNumbers {
  const fields = new Float64Array(names.length * FINGERPRINT_FIELDS);
  const others = new Float64Array(names.length * OTHER_FIELDS);
  const numbers = { fields, others };
  const directories: string[] = [];
  const gone = new Set<string>();
  for (const [index, name] of names.entries()) {
    const mode = write(name, index, numbers);
    if (mode === undefined) gone.add(name);
    else if ((mode & S_IFMT) === S_IFDIR) directories.push(name);
  }
  return { ...numbers, directories, gone };
}

/** @throws ENOENT and ENOTDIR when the directory is gone */
export function lstatEach(
  { names, path, listing: { rootOf } }: NamedDirectory,
  walkers: Walkers,
): DirectoryNumbers {
  return collect(names, (name, index, { fields, others }) => {
    const stats = lstatEntry(walkers.at(rootOf(name), path), name);
    if (stats === undefined) return undefined;
    const isDirectory = (stats.mode & S_IFMT) === S_IFDIR;
    writeFields(fields, index * FINGERPRINT_FIELDS, stats, isDirectory);
    writeOthers(others, index * OTHER_FIELDS, stats);
    return stats.mode;
  });
}

/** The same from what wiac-sys says. @param first number of the first name */
function numbersFrom(
  stats: Float64Array,
  first: number,
  names: readonly string[],
): DirectoryNumbers {
  return collect(names, (_, index, { fields, others }) => {
    const from = (first + index) * STAT_FIELDS;
    const get = (number: number) => stats[from + number] as number;
    const mode = get(0);
    if (mode === FILE_GONE) return undefined;
    const at = index * FINGERPRINT_FIELDS;
    const isDirectory = (mode & S_IFMT) === S_IFDIR;
    for (let number = 1; number < FINGERPRINT_FIELDS; number += 1)
      fields[at + number] = get(number);
    // As writeFields has it.
    fields[at] = mode & PERMISSIONS;
    if (isDirectory) fields[at + 4] = fields[at + 5] = 0;
    const other = index * OTHER_FIELDS;
    others[other] = mode;
    others[other + 1] = get(4);
    others[other + 2] = get(5);
    others[other + 3] = get(8);
    others[other + 4] = get(9);
    return mode;
  });
}

interface Unknown extends NamedDirectory {
  numbers: DirectoryNumbers | undefined;
}

/** Directories whose names are all below one root, by that. */
function bySingleRoot(directories: readonly Unknown[]): Map<string, Unknown[]> {
  const roots = new Map<string, Unknown[]>();
  for (const directory of directories) {
    const { names, listing } = directory;
    const [first] = names;
    if (first === undefined) continue;
    const root = listing.rootOf(first);
    if (names.some((name) => listing.rootOf(name) !== root)) continue;
    const same = roots.get(root);
    if (same) same.push(directory);
    else roots.set(root, [directory]);
  }
  return roots;
}

async function statBelow(root: string, directories: readonly Unknown[]): Promise<void> {
  const files = directories.map(({ path, names }) => ({ directory: path, names }));
  const stats = await statListed(root, files).catch((error: NodeJS.ErrnoException) => {
    // lstatEach will say of which file.
    if (error.syscall === undefined) throw error;
    return undefined;
  });
  if (!stats) return;
  let first = 0;
  for (const directory of directories) {
    const isThere = stats[first * STAT_FIELDS] !== DIRECTORY_GONE;
    if (isThere) directory.numbers = numbersFrom(stats, first, directory.names);
    first += directory.names.length;
  }
}

/**
 * Looks at the names of directories, by wiac-sys.
 * @param directories get their numbers; those that wiac-sys says nothing of are left for lstatEach
 * @throws IsolationError
 */
export async function statMany(directories: readonly Unknown[]): Promise<void> {
  const reading = [...bySingleRoot(directories)].map(([root, same]) => statBelow(root, same));
  await Promise.all(reading);
}
