/** The files that two stacks of layers differ in, as a program that sees one or the other would find them. */
import type { Stats } from 'node:fs';
import { takeDeviceMark } from '../device-marks.js';
import { lstatEntry } from '../directory.js';
import { digestEntry, lstatBelow, readBuffer, readLink } from '../read.js';
import type { Place } from '../scan/file-source.js';
import type { Xattrs } from '../scan/tree.js';
import { readXattrs, xattrText } from '../scan/xattrs.js';
import { pathBelow } from '../tree-path.js';
import type { Walkers } from '../walker.js';
import { openWalkers } from '../walker.js';
import type { MergedView, Stack, StackLayer, StackName } from './stack.js';
import { openMergedView } from './stack.js';

/** What one of the stacks has at a path. */
export interface ShownFile {
  readonly type: 'file' | 'directory' | 'symlink' | 'device' | 'fifo' | 'socket';
  /** Permission bits: 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes; 0 for anything but a file. */
  readonly size: number;
  /** Of a symbolic link. */
  readonly target?: string;
  readonly device?: number;
  /** Names, and values in hex, sorted by name; left out where there are none. */
  readonly xattrs?: Xattrs;
}

/** One path that differs. Times are not compared. */
export interface FileChange {
  /** Without a slash at its beginning; '' is the root. */
  readonly path: string;
  readonly before: ShownFile | undefined;
  readonly after: ShownFile | undefined;
  /** Two files with different content. */
  readonly isContent: boolean;
}

function typeOf(stats: Stats): ShownFile['type'] {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  if (stats.isSymbolicLink()) return 'symlink';
  if (stats.isFIFO()) return 'fifo';
  return stats.isSocket() ? 'socket' : 'device';
}

/** One of the two stacks while it is walked through. */
interface Side {
  readonly view: MergedView;
  readonly walkers: Walkers;
}

/** A name of a directory on both sides. */
interface Pair {
  readonly name: string;
  readonly path: string;
  readonly before: StackName | undefined;
  readonly after: StackName | undefined;
}

const isSame = (a: Stack, b: Stack) =>
  a.length === b.length && a.every(({ path }, at) => path === b[at]?.path);

function pairUp(before: readonly StackName[], after: readonly StackName[], path: string): Pair[] {
  const [old, now] = [before, after].map(
    (names) => new Map(names.map((entry) => [entry.name, entry])),
  );
  const names = new Set([...before, ...after].map(({ name }) => name));
  return [...names].sort().map((name) => ({
    name,
    path: pathBelow(path, name),
    before: old?.get(name),
    after: now?.get(name),
  }));
}

function describe({ walkers }: Side, directory: string, entry: StackName): ShownFile | undefined {
  const at = walkers.at(entry.root, directory);
  const stats = lstatEntry(at, entry.name);
  if (!stats) return undefined;
  const type = typeOf(stats);
  return {
    type,
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
    size: type === 'file' ? stats.size : 0,
    ...(type === 'symlink' ? { target: readLink(at, entry.name) ?? '' } : {}),
    ...(type === 'device' ? { device: stats.rdev } : {}),
  };
}

const sameFacts = (a: ShownFile, b: ShownFile) =>
  a.type === b.type &&
  a.mode === b.mode &&
  a.uid === b.uid &&
  a.gid === b.gid &&
  a.size === b.size &&
  a.target === b.target &&
  a.device === b.device;

/** What is compared, and what comparing takes. */
interface Comparison {
  readonly sides: readonly [before: Side, after: Side];
  readonly buffer: Buffer;
}

function digestOf({ walkers }: Side, directory: string, { root, name }: StackName, buffer: Buffer) {
  return digestEntry(walkers.at(root, directory), name, buffer)?.digest;
}

/** A path that one of the sides has, before its extended attributes are read. */
interface Compared {
  readonly change: FileChange;
  readonly differs: boolean;
  readonly places: readonly [Place | undefined, Place | undefined];
}

/** @returns undefined when neither side has it any more */
function compare(
  { sides: [one, other], buffer }: Comparison,
  directory: string,
  { path, before, after }: Pair,
): Compared | undefined {
  const old = before && describe(one, directory, before);
  const now = after && describe(other, directory, after);
  const place = (entry: StackName | undefined) => entry && { root: entry.root, path };
  const places = [place(before), place(after)] as const;
  const change = { path, before: old, after: now };
  if (!old || !now || !before || !after)
    return (old ?? now) && { change: { ...change, isContent: false }, differs: true, places };
  const isFile = old.type === 'file' && now.type === 'file';
  const isContent =
    isFile &&
    (old.size !== now.size ||
      digestOf(one, directory, before, buffer) !== digestOf(other, directory, after, buffer));
  return { change: { ...change, isContent }, differs: isContent || !sameFacts(old, now), places };
}

function mayHoldMore([one, other]: Comparison['sides'], at: string, pair: Pair): boolean {
  const isDirectory = ({ walkers }: Side, entry: StackName | undefined) =>
    entry !== undefined &&
    lstatEntry(walkers.at(entry.root, at), entry.name)?.isDirectory() === true;
  return isDirectory(one, pair.before) || isDirectory(other, pair.after);
}

/** The same entry of the same layer: only what is in a directory can differ. */
function isShared({ before, after }: Pair): boolean {
  return before !== undefined && before.root === after?.root;
}

function describeRoot({ path }: StackLayer): ShownFile | undefined {
  const stats = lstatBelow(path, '.');
  return (
    stats && {
      type: 'directory',
      mode: stats.mode & 0o7777,
      uid: stats.uid,
      gid: stats.gid,
      size: 0,
    }
  );
}

/** The root itself, where both stacks have one: the layer on top shows it. Its attributes are not compared. */
function compareRoots([before]: Stack, [after]: Stack): Compared | undefined {
  if (!before || !after || before.path === after.path) return undefined;
  const [old, now] = [describeRoot(before), describeRoot(after)];
  if (!old || !now || sameFacts(old, now)) return undefined;
  const change = { path: '', before: old, after: now, isContent: false };
  return { change, differs: true, places: [undefined, undefined] };
}

/**
 * What may differ, parents before what is in them. Layers that both stacks have are not looked into where nothing
 * above them shows.
 */
function* comparedPaths(before: Stack, after: Stack): Generator<Compared> {
  const sides = [before, after].map(
    (stack): Side => ({ view: openMergedView(stack), walkers: openWalkers() }),
  ) as unknown as readonly [Side, Side];
  const buffer = readBuffer();
  try {
    const root = compareRoots(before, after);
    if (root) yield root;
    const waiting = [''];
    for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
      const [old, now] = [sides[0].view.layersOf(path), sides[1].view.layersOf(path)];
      if (isSame(old, now)) continue;
      const at = path;
      const list = ({ view }: Side, layers: Stack) => (layers.length > 0 ? view.list(at) : []);
      const below: string[] = [];
      for (const pair of pairUp(list(sides[0], old), list(sides[1], now), at)) {
        const compared = isShared(pair) ? undefined : compare({ sides, buffer }, at, pair);
        if (compared) yield compared;
        if (mayHoldMore(sides, at, pair)) below.push(pair.path);
      }
      waiting.push(...below.reverse());
    }
  } finally {
    for (const { view, walkers } of sides) {
      view.close();
      walkers.close();
    }
  }
}

/** The files of layers that may have attributes. */
async function xattrsOf(paths: readonly Compared[], stacks: readonly Stack[]) {
  const without = new Set(
    stacks.flat().flatMap(({ path, withoutXattrs }) => (withoutXattrs ? [path] : [])),
  );
  const places = paths.flatMap(({ places }) => places.flatMap((place) => place ?? []));
  return readXattrs(places.filter(({ root }) => !without.has(root)).map((place) => ({ place })));
}

/** A file with its attributes, or the device that it stands for. */
function withXattrs(file: ShownFile | undefined, found: Xattrs): ShownFile | undefined {
  if (!file || found.length === 0) return file;
  const isEmpty = file.type === 'file' && file.size === 0;
  const { xattrs, device } = takeDeviceMark(found, isEmpty, xattrText);
  const shown: ShownFile = device ? { ...file, type: 'device', device: device.device } : file;
  return xattrs.length > 0 ? { ...shown, xattrs } : shown;
}

/**
 * What differs, parents before what is in them.
 * @throws the file system's errors, IsolationError
 */
export async function diffStacks(before: Stack, after: Stack): Promise<FileChange[]> {
  const paths = [...comparedPaths(before, after)];
  const xattrs = await xattrsOf(paths, [before, after]);
  const at = (place: Place | undefined) => (place && xattrs.get(place)) ?? [];
  return paths.flatMap(({ change, differs, places }): FileChange[] => {
    const [old, now] = places.map(at) as [Xattrs, Xattrs];
    if (!differs && JSON.stringify(old) === JSON.stringify(now)) return [];
    const { before: former, after: current } = change;
    return [{ ...change, before: withXattrs(former, old), after: withXattrs(current, now) }];
  });
}
