/**
 * The structure of a tree: names, and what lstat says of them. A build with nothing to do asks only
 * whether that is what it was, so it stays in arrays of numbers; objects, of which 20,000 would keep
 * the garbage collector busy for longer than the system calls take, are made for who needs them.
 */
import type { Stats } from 'node:fs';
import { constants, lstatSync } from 'node:fs';
import { ContextError } from '../errors.js';
import type { FileStats } from './file-stats.js';
import { kindOf } from './file-stats.js';
import type { FileSource, Listing } from './source.js';

/** One file as it was found; directories have their own entries in `children`. */
export interface Scanned {
  readonly name: string;
  readonly hostPath: string;
  readonly stats: FileStats;
  /** Set for directories. */
  readonly directory: ScannedDirectory | undefined;
}

/** A directory with everything in it that the source shows, by name. */
export interface ScannedDirectory {
  readonly path: string;
  readonly names: readonly string[];
  /** What fingerprints are made of: `FINGERPRINT_FIELDS` numbers for each name. */
  readonly fields: Float64Array;
  /** The other numbers: `OTHER_FIELDS` for each name. */
  readonly others: Float64Array;
  readonly subdirectories: ReadonlyMap<string, ScannedDirectory>;
  /** Made when first asked for. */
  readonly children: readonly Scanned[];
}

/** mode, ino, dev, ctime, size, mtime, uid, gid. */
export const FINGERPRINT_FIELDS = 8;

/** st_mode, size, mtime, nlink, rdev. */
const OTHER_FIELDS = 5;

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

function writeOthers(others: Float64Array, at: number, stats: Stats): void {
  others[at] = stats.mode;
  others[at + 1] = stats.size;
  others[at + 2] = stats.mtimeMs;
  others[at + 3] = stats.nlink;
  others[at + 4] = stats.rdev;
}

function statsAt(fields: Float64Array, others: Float64Array, index: number): FileStats {
  const field = (number: number) => fields[index * FINGERPRINT_FIELDS + number] as number;
  const other = (number: number) => others[index * OTHER_FIELDS + number] as number;
  return {
    kind: kindOf(other(0)),
    mode: field(0),
    uid: field(6),
    gid: field(7),
    size: other(1),
    mtimeMs: other(2),
    ctimeMs: field(3),
    ino: field(1),
    dev: field(2),
    rdev: other(4),
    nlink: other(3),
  };
}

/** A directory that was listed. */
function scannedDirectory(
  path: string,
  names: readonly string[],
  hostPath: Listing['hostPath'],
  { fields, others }: { readonly fields: Float64Array; readonly others: Float64Array },
  subdirectories: ReadonlyMap<string, ScannedDirectory>,
): ScannedDirectory {
  let children: Scanned[] | undefined;
  return {
    path,
    names,
    fields,
    others,
    subdirectories,
    get children() {
      children ??= names.map((name, index) => ({
        name,
        hostPath: hostPath(name),
        stats: statsAt(fields, others, index),
        directory: subdirectories.get(name),
      }));
      return children;
    },
  };
}

function checkName(name: string, hostPath: Listing['hostPath']): void {
  if (name.includes('\uFFFD')) {
    throw new ContextError(`file name is not valid UTF-8: ${hostPath(name)}`, undefined, {
      hint: 'rename the file or exclude it in .dockerignore',
    });
  }
}

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
 * lstat of names, in their order. From within their directory, where there is one: otherwise the
 * kernel walks its path for each of them, and each path is a string more (a tenth of a scan).
 * Nothing else of JavaScript runs meanwhile, but threads of Node may: paths that are handed to
 * asynchronous functions have to be absolute.
 */
function lstatEach(
  names: readonly string[],
  { directory, hostPath }: Listing,
  onStats: (stats: Stats, index: number) => void,
): void {
  const former = directory === undefined ? undefined : currentDirectory();
  if (former === undefined || directory === undefined) {
    names.forEach((name, index) => {
      onStats(lstatSync(hostPath(name)), index);
    });
    return;
  }
  process.chdir(directory);
  try {
    names.forEach((name, index) => {
      onStats(lstatSync(name), index);
    });
  } finally {
    process.chdir(former);
  }
}

/** Numbers of some of the names that they stand for. */
function pickNumbers(numbers: Float64Array, each: number, indexes: readonly number[]) {
  const picked = new Float64Array(indexes.length * each);
  for (const [to, from] of indexes.entries())
    picked.set(numbers.subarray(from * each, (from + 1) * each), to * each);
  return picked;
}

/** Reads the structure of a tree: names and stats, no content. */
export function listTree(source: FileSource, path: string): ScannedDirectory {
  const listing = source.list(path);
  const { hostPath, onlyWithContent } = listing;
  // Code unit order, as in trees.
  const names = [...listing.names].sort();
  const fields = new Float64Array(names.length * FINGERPRINT_FIELDS);
  const others = new Float64Array(names.length * OTHER_FIELDS);
  const directories: string[] = [];
  for (const name of names) checkName(name, hostPath);
  lstatEach(names, listing, (stats, index) => {
    const isDirectory = (stats.mode & S_IFMT) === S_IFDIR;
    writeFields(fields, index * FINGERPRINT_FIELDS, stats, isDirectory);
    writeOthers(others, index * OTHER_FIELDS, stats);
    if (isDirectory) directories.push(names[index] as string);
  });
  const subdirectories = new Map<string, ScannedDirectory>();
  for (const name of directories) {
    const directory = listTree(source, path === '' ? name : `${path}/${name}`);
    if (directory.names.length > 0 || !onlyWithContent?.(name)) subdirectories.set(name, directory);
  }
  const numbers = { fields, others };
  if (!onlyWithContent) return scannedDirectory(path, names, hostPath, numbers, subdirectories);
  const kept = names.flatMap((name, index) =>
    !onlyWithContent(name) || subdirectories.has(name) ? [index] : [],
  );
  return scannedDirectory(
    path,
    kept.map((index) => names[index] as string),
    hostPath,
    {
      fields: pickNumbers(fields, FINGERPRINT_FIELDS, kept),
      others: pickNumbers(others, OTHER_FIELDS, kept),
    },
    subdirectories,
  );
}

/**
 * A single file as a directory of one entry, so that it has fingerprints like any other. The path
 * can't be that of a real directory: those never hold an empty component.
 */
export function listSingle(path: string, name: string, hostPath: string): ScannedDirectory {
  const stats = lstatSync(hostPath);
  const fields = new Float64Array(FINGERPRINT_FIELDS);
  const others = new Float64Array(OTHER_FIELDS);
  writeFields(fields, 0, stats, kindOf(stats.mode) === 'dir');
  writeOthers(others, 0, stats);
  return scannedDirectory(`${path}//`, [name], () => hostPath, { fields, others }, new Map());
}

/** What a listed tree amounts to. */
export interface ListedTotals {
  /** Everything below the directory, directories included. */
  readonly entries: number;
  /** Paths of the directories below it, relative to it. */
  readonly directories: readonly string[];
  /** Sizes of the files in bytes, each rounded up to a multiple of `blockSize`. */
  readonly bytes: number;
}

/** Adds up a tree from the numbers alone: no object is made for a file. */
export function countListed(directory: ScannedDirectory, blockSize = 1): ListedTotals {
  let entries = directory.names.length;
  let bytes = 0;
  for (let index = 0; index < directory.names.length; index += 1) {
    const at = index * OTHER_FIELDS;
    if (kindOf(directory.others[at] as number) !== 'file') continue;
    bytes += Math.ceil((directory.others[at + 1] as number) / blockSize) * blockSize;
  }
  const directories: string[] = [];
  for (const [name, below] of directory.subdirectories) {
    const totals = countListed(below, blockSize);
    entries += totals.entries;
    bytes += totals.bytes;
    directories.push(name, ...totals.directories.map((path) => `${name}/${path}`));
  }
  return { entries, directories, bytes };
}
