/**
 * The structure of a tree: names, and what lstat says of them. A build with nothing to do asks only
 * whether that is what it was, so it stays in arrays of numbers; objects, of which 20,000 would keep
 * the garbage collector busy for longer than the system calls take, are made for who needs them.
 */
import type { Stats } from 'node:fs';
import { lstatSync } from 'node:fs';
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

/** A directory that was listed; the numbers may have room for more files than there are. */
function scannedDirectory(
  path: string,
  names: readonly string[],
  hostPath: Listing['hostPath'],
  numbers: { readonly fields: Float64Array; readonly others: Float64Array },
  subdirectories: ReadonlyMap<string, ScannedDirectory>,
): ScannedDirectory {
  const fields = numbers.fields.subarray(0, names.length * FINGERPRINT_FIELDS);
  const { others } = numbers;
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

function checkName(name: string, hostPath: string): void {
  if (name.includes('\uFFFD')) {
    throw new ContextError(`file name is not valid UTF-8: ${hostPath}`, undefined, {
      hint: 'rename the file or exclude it in .dockerignore',
    });
  }
}

/** Reads the structure of a tree: names and stats, no content. */
export function listTree(source: FileSource, path: string): ScannedDirectory {
  const { names: found, hostPath, onlyWithContent } = source.list(path);
  const fields = new Float64Array(found.length * FINGERPRINT_FIELDS);
  const others = new Float64Array(found.length * OTHER_FIELDS);
  const subdirectories = new Map<string, ScannedDirectory>();
  const names: string[] = [];
  // Code unit order, as in trees.
  for (const name of [...found].sort()) {
    const host = hostPath(name);
    checkName(name, host);
    const stats = lstatSync(host);
    const isDirectory = kindOf(stats.mode) === 'dir';
    const directory = isDirectory
      ? listTree(source, path === '' ? name : `${path}/${name}`)
      : undefined;
    if (onlyWithContent?.(name) && (directory === undefined || directory.names.length === 0)) {
      continue;
    }
    writeFields(fields, names.length * FINGERPRINT_FIELDS, stats, isDirectory);
    writeOthers(others, names.length * OTHER_FIELDS, stats);
    if (directory) subdirectories.set(name, directory);
    names.push(name);
  }
  return scannedDirectory(path, names, hostPath, { fields, others }, subdirectories);
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
