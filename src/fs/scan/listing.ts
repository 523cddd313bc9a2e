/**
 * The structure of a tree: names, and what lstat says of them. A build with nothing to do asks only
 * whether that is what it was, so it stays in arrays of numbers; objects, of which 20,000 would keep
 * the garbage collector busy for longer than the system calls take, are made only when a caller asks for them.
 */
import { isRunning } from '../../native/file-server.js';
import { areText } from '../../util/byte-string.js';
import { pathBelow } from '../tree-path.js';
import type { Walkers } from '../walker.js';
import { checkDepth, openWalkers } from '../walker.js';
import type { FileSource, Located, Place, WholeDirectory } from './file-source.js';
import type { FileKind, FileStats } from './file-stats.js';
import { getKind } from './file-stats.js';
import type { NumberedNames } from './list-many.js';
import { listMany } from './list-many.js';
import type { Names } from './names.js';
import { namesOf } from './names.js';
import type { DirectoryNumbers, NamedDirectory } from './stat-names.js';
import {
  FINGERPRINT_FIELDS,
  lstatEach,
  OTHER_FIELDS,
  statMany,
  writeFields,
  writeOthers,
} from './stat-names.js';
import { removedMeanwhile, unreadable } from './unreadable.js';

/** One file as it was found; directories have their own entries in `children`. */
export interface Scanned {
  readonly name: string;
  readonly place: Place;
  readonly stats: FileStats;
  /** Set for directories. */
  readonly directory: ScannedDirectory | undefined;
}

/** A directory with everything in it that the source shows, by name. */
export interface ScannedDirectory {
  readonly path: string;
  readonly count: number;
  /** Made anew each time. */
  readonly names: readonly string[];
  /** The same as they are on disk, each ended by NUL. */
  readonly nameBytes: Buffer;
  /** What fingerprints are made of: `FINGERPRINT_FIELDS` numbers for each name. */
  readonly fields: Float64Array;
  /** The other numbers: `OTHER_FIELDS` for each name. */
  readonly others: Float64Array;
  readonly subdirectories: ReadonlyMap<string, ScannedDirectory>;
  readonly getPlace: (name: string) => Place;
  /** Set where all of it is as one layer has it. */
  readonly whole: WholeDirectory | undefined;
  /**
   * Makes them anew each time: kept, those of a large context would fill the memory during a build.
   * @param isWanted all where it is left out
   */
  readonly getChildren: (isWanted?: (kind: FileKind) => boolean) => Scanned[];
}

function statsAt(fields: Float64Array, others: Float64Array, index: number): FileStats {
  const field = (number: number) => fields[index * FINGERPRINT_FIELDS + number] as number;
  const other = (number: number) => others[index * OTHER_FIELDS + number] as number;
  return {
    kind: getKind(other(0)),
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
  named: Names,
  getPlace: (name: string) => Place,
  { fields, others }: { readonly fields: Float64Array; readonly others: Float64Array },
  subdirectories: ReadonlyMap<string, ScannedDirectory>,
  whole?: WholeDirectory | undefined,
): ScannedDirectory {
  return {
    path,
    count: named.count,
    get names() {
      return named.all();
    },
    get nameBytes() {
      return named.bytes();
    },
    fields,
    others,
    subdirectories,
    getPlace,
    whole,
    getChildren(isWanted) {
      const children: Scanned[] = [];
      for (const [index, name] of named.all().entries()) {
        if (isWanted && !isWanted(getKind(others[index * OTHER_FIELDS] as number))) continue;
        const stats = statsAt(fields, others, index);
        children.push({ name, place: getPlace(name), stats, directory: subdirectories.get(name) });
      }
      return children;
    },
  };
}

/** Numbers of some of the names that they stand for. */
function pickNumbers(numbers: Float64Array, each: number, indexes: readonly number[]) {
  const picked = new Float64Array(indexes.length * each);
  for (const [to, from] of indexes.entries())
    picked.set(numbers.subarray(from * each, (from + 1) * each), to * each);
  return picked;
}

/** A directory whose names are known, with what is found out about them level by level. */
interface Listed extends Omit<NamedDirectory, 'names'> {
  readonly named: Names;
  numbers: DirectoryNumbers | undefined;
  /** By their names. */
  readonly below: Map<string, Listed>;
}

function listNamesOf(source: FileSource, path: string): Listed {
  const listing = source.list(path);
  // Code unit order, as in trees.
  const names = [...listing.names].sort();
  return { path, listing, named: namesOf(names), numbers: undefined, below: new Map() };
}

/**
 * A directory that another process removed, or replaced, since it was seen was not there.
 * @throws what else is wrong, with its path
 */
function ifThere<T>(source: FileSource, path: string, look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (source.changes && (code === 'ENOENT' || code === 'ENOTDIR')) return undefined;
    throw unreadable(error, source, path);
  }
}

/** Paths of the directories in these ones, with their parents. */
function* pathsBelow(
  level: readonly Listed[],
): Generator<[parent: Listed, name: string, path: string]> {
  for (const parent of level)
    for (const name of parent.numbers?.directories ?? [])
      yield [parent, name, pathBelow(parent.path, name)];
}

/** What wiac-sys has listed, by path; undefined for a directory that another process removed. */
type ListedAtOnce = ReadonlyMap<string, Listed | undefined>;

/**
 * The directories in these ones that are there.
 * @param known those that are listed already
 */
function listLevel(source: FileSource, level: readonly Listed[], known: ListedAtOnce): Listed[] {
  const next: Listed[] = [];
  for (const [{ below }, name, path] of pathsBelow(level)) {
    const listed = known.has(path)
      ? known.get(path)
      : ifThere(source, path, () => listNamesOf(source, path));
    if (!listed) continue;
    below.set(name, listed);
    next.push(listed);
  }
  return next;
}

/** A whiteout is not shown to those who look at merged layers: listNamesOf leaves it out. */
function hasHidden(source: FileSource, { numbers: { others } }: NumberedNames): boolean {
  if (!source.withoutWhiteouts) return false;
  for (let at = 0; at < others.length; at += OTHER_FIELDS)
    if (getKind(others[at] as number) === 'char' && others[at + 4] === 0) return true;
  return false;
}

/** Directories by the root that alone has them. */
function byPlainRoot({ plainRoot }: FileSource, paths: readonly string[]): Map<string, string[]> {
  const roots = new Map<string, string[]>();
  for (const path of paths) {
    const root = plainRoot?.(path);
    if (root === undefined) continue;
    const same = roots.get(root);
    if (same) same.push(path);
    else roots.set(root, [path]);
  }
  return roots;
}

/** Those of one root. @returns nothing where wiac-sys says nothing, and listLevel knows why */
async function listPlain(
  source: FileSource,
  root: string,
  paths: readonly string[],
): Promise<[path: string, listed: Listed | undefined][]> {
  const found = await listMany(root, paths);
  if (!found || (!source.changes && found.includes(undefined))) return [];
  const listing = { names: [], rootOf: () => root };
  return paths.flatMap((path, index): [string, Listed | undefined][] => {
    const one = found[index];
    // Names that are not text are read again, one by one.
    if (one && (!areText(one.named.bytes()) || hasHidden(source, one))) return [];
    return [[path, one && { path, listing, ...one, below: new Map() }]];
  });
}

/** The directories in these ones by wiac-sys, with the numbers, as far as each has one root. */
async function listAtOnce(source: FileSource, level: readonly Listed[]): Promise<ListedAtOnce> {
  const paths = [...pathsBelow(level)].map(([, , path]) => path);
  const [deepest] = paths;
  if (deepest !== undefined) checkDepth(deepest.split('/').length, () => source.title);
  const roots = [...byPlainRoot(source, paths)];
  const listed = await Promise.all(roots.map(([root, same]) => listPlain(source, root, same)));
  return new Map(listed.flat());
}

/** A tree from the leaves up; undefined for a directory that was gone when it was looked at. */
function conclude(source: FileSource, listed: Listed): ScannedDirectory | undefined {
  const { path, listing, named, numbers, below } = listed;
  if (!numbers) return undefined;
  const { fields, others, directories, gone } = numbers;
  const { onlyWithContent } = listing;
  const prefix = path === '' ? '' : `${path}/`;
  const left = new Set(gone);
  const subdirectories = new Map<string, ScannedDirectory>();
  for (const name of directories) {
    const inside = below.get(name);
    const directory = inside && conclude(source, inside);
    const counts = directory && (directory.count > 0 || !onlyWithContent?.(name));
    if (counts) subdirectories.set(name, directory);
    else left.add(name);
  }
  if (onlyWithContent)
    for (const name of named.all())
      if (onlyWithContent(name) && !subdirectories.has(name)) left.add(name);
  const getPlace = (name: string) => ({ root: listing.rootOf(name), path: prefix + name });
  if (left.size === 0) {
    const whole = source.wholeOf?.(path);
    return scannedDirectory(path, named, getPlace, { fields, others }, subdirectories, whole);
  }
  const names = named.all();
  const kept = names.flatMap((name, index) => (left.has(name) ? [] : [index]));
  return scannedDirectory(
    path,
    namesOf(kept.map((index) => names[index] as string)),
    getPlace,
    {
      fields: pickNumbers(fields, FINGERPRINT_FIELDS, kept),
      others: pickNumbers(others, OTHER_FIELDS, kept),
    },
    subdirectories,
  );
}

/** So many files, or directories, are looked at sooner than wiac-sys is started for them ... */
const MANY = { files: 4000, directories: 100 };
/** ... and so many sooner than it has answered. */
const MANY_FOR_RUNNING = { files: 200, directories: 8 };

/** Looks at the names of a level whose names are known. */
async function lookAt(
  source: FileSource,
  level: readonly Listed[],
  isLarge: boolean,
  walkers: Walkers,
): Promise<void> {
  const named = level.map((listed) => ({ ...listed, names: listed.named.all() }));
  if (isLarge) await statMany(named);
  for (const [index, directory] of named.entries()) {
    const listed = level[index];
    if (listed)
      listed.numbers =
        directory.numbers ?? ifThere(source, listed.path, () => lstatEach(directory, walkers));
  }
}

async function listBelow(
  source: FileSource,
  top: string,
  walkers: Walkers,
): Promise<ScannedDirectory> {
  const root = listNamesOf(source, top);
  let count = root.named.count;
  // It can be started meanwhile.
  const many = () => (isRunning() ? MANY_FOR_RUNNING : MANY);
  await lookAt(source, [root], count > many().files, walkers);
  for (let level = [root]; level.length > 0; ) {
    const directories = level.reduce(
      (sum, { numbers }) => sum + (numbers?.directories.length ?? 0),
      0,
    );
    const isLarge = count > many().files || directories > many().directories;
    const known = isLarge ? await listAtOnce(source, level) : new Map();
    level = listLevel(source, level, known);
    for (const { named } of level) count += named.count;
    const others = level.filter(({ numbers }) => numbers === undefined);
    await lookAt(source, others, count > many().files, walkers);
  }
  const tree = conclude(source, root);
  if (!tree) throw removedMeanwhile(source, top);
  return tree;
}

/**
 * Reads the structure of a tree: names and stats, no content. What another process removes
 * meanwhile was not there.
 * @throws ContextError when `path` itself is removed meanwhile; the
 *   file system's errors
 */
export async function listTree(source: FileSource, path: string): Promise<ScannedDirectory> {
  const walkers = openWalkers();
  try {
    return await listBelow(source, path, walkers);
  } finally {
    walkers.close();
  }
}

/**
 * A single file as a directory of one entry, so that it has fingerprints like any other. The path
 * can't be that of a real directory: those never hold an empty component.
 * @param name that the file gets in the image
 */
export function listSingle(path: string, name: string, { root, stats }: Located): ScannedDirectory {
  const fields = new Float64Array(FINGERPRINT_FIELDS);
  const others = new Float64Array(OTHER_FIELDS);
  writeFields(fields, 0, stats, getKind(stats.mode) === 'dir');
  writeOthers(others, 0, stats);
  const place = { root, path };
  return scannedDirectory(`${path}//`, namesOf([name]), () => place, { fields, others }, new Map());
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
  let entries = directory.count;
  let bytes = 0;
  for (let index = 0; index < directory.count; index += 1) {
    const at = index * OTHER_FIELDS;
    if (getKind(directory.others[at] as number) !== 'file') continue;
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
