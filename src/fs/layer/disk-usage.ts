/** Disk usage as du(1) counts it: allocated blocks, each inode once however many names it has. */
import type { Stats } from 'node:fs';
import { lstatSync } from 'node:fs';
import type { Directory } from '../directory.js';
import { listNames, lstatEntry } from '../directory.js';
import { pathBelow } from '../tree-path.js';
import type { Walker } from '../walker.js';
import { openWalker } from '../walker.js';

/** stat(2): st_blocks counts units of 512 bytes, whatever the file system's block is. */
const BLOCK_BYTES = 512;

function isShared(stats: Stats): boolean {
  return stats.nlink > 1 && !stats.isDirectory();
}

/** Adds up what files take on the disk. Bytes. */
export interface DiskMeter {
  /** What lstat says. @returns the bytes that this file added: 0 for an inode seen before */
  readonly add: (stats: Stats) => number;
  /** What files take that have one name each. */
  readonly addBytes: (bytes: number) => void;
  readonly total: () => number;
}

export function diskMeter(): DiskMeter {
  const seen = new Set<number>();
  let total = 0;
  return {
    add: (stats) => {
      if (isShared(stats)) {
        if (seen.has(stats.ino)) return 0;
        seen.add(stats.ino);
      }
      const bytes = stats.blocks * BLOCK_BYTES;
      total += bytes;
      return bytes;
    },
    addBytes: (bytes) => {
      total += bytes;
    },
    total: () => total,
  };
}

/** A directory that another process removed meanwhile, or replaced, has nothing in it. */
function namesIn(walker: Walker, path: string): { directory: Directory; names: string[] } {
  try {
    const directory = walker.at(path);
    return { directory, names: listNames(directory) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (path === '' || (code !== 'ENOENT' && code !== 'ENOTDIR')) throw error;
    return { directory: walker.at(''), names: [] };
  }
}

/** Visits everything below a directory and the directory itself; what vanishes is left out. */
function visit(path: string, onFile: (stats: Stats) => void): void {
  const top = lstatSync(path, { throwIfNoEntry: false });
  if (!top) return;
  onFile(top);
  if (!top.isDirectory()) return;
  const walker = openWalker(path);
  try {
    const waiting = [''];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      const { directory, names } = namesIn(walker, at);
      for (const name of names) {
        const stats = lstatEntry(directory, name);
        if (!stats) continue;
        onFile(stats);
        if (stats.isDirectory()) waiting.push(pathBelow(at, name));
      }
    }
  } finally {
    walker.close();
  }
}

/** What a layer's files amount to. */
export interface TreeMeasures {
  /** Entries below the directory, itself left out. */
  readonly files: number;
  /** Apparent size of the files, hard links in full. Bytes. */
  readonly bytes: number;
  /** What du(1) says of the directory. Bytes. */
  readonly disk: number;
}

/** Measures a directory. */
export function measureTree(path: string): TreeMeasures {
  const meter = diskMeter();
  let files = -1;
  let bytes = 0;
  visit(path, (stats) => {
    files += 1;
    if (stats.isFile()) bytes += stats.size;
    meter.add(stats);
  });
  return { files: Math.max(0, files), bytes, disk: meter.total() };
}

/** Apparent size of a directory's files, each of them once however many names it has. Bytes. */
export function measureOnce(path: string): number {
  const seen = new Set<number>();
  let bytes = 0;
  visit(path, (stats) => {
    if (!stats.isFile() || seen.has(stats.ino)) return;
    if (isShared(stats)) seen.add(stats.ino);
    bytes += stats.size;
  });
  return bytes;
}

/** Inodes that several of the measured directories share, summed up by set of directories. */
export interface Share<Id extends string> {
  /** The directories, in the order of the measurement. */
  readonly holders: readonly Id[];
  readonly bytes: number;
  /** There are more names of these inodes than were found: removing all holders frees nothing. */
  readonly elsewhere: boolean;
}

/** Disk usage of directories that hard-link each other's files. */
export interface SharedUsage<Id extends string> {
  /** Bytes that only this directory has. */
  readonly own: ReadonlyMap<Id, number>;
  readonly shares: readonly Share<Id>[];
}

interface Inode<Id> {
  readonly bytes: number;
  readonly nlink: number;
  readonly holders: Id[];
  found: number;
}

/** Sums up inodes; which directories share them says all that a removal has to know. */
function sumUp<Id extends string>(
  own: Map<Id, number>,
  inodes: Iterable<Inode<Id>>,
): SharedUsage<Id> {
  const shares = new Map<string, { holders: Id[]; bytes: number; elsewhere: boolean }>();
  for (const { bytes, nlink, holders, found } of inodes) {
    const elsewhere = found < nlink;
    const [first] = holders;
    if (first !== undefined && holders.length === 1 && !elsewhere) {
      own.set(first, (own.get(first) ?? 0) + bytes);
      continue;
    }
    const key = `${elsewhere}/${holders.join('/')}`;
    const share = shares.get(key) ?? { holders, bytes: 0, elsewhere };
    share.bytes += bytes;
    shares.set(key, share);
  }
  return { own, shares: [...shares.values()] };
}

/**
 * Measures directories that may share inodes: one lstat a file. Memory grows with the number of
 * inodes that have several names.
 * @param directories paths by id, all on one file system
 */
export function measureShared<Id extends string>(
  directories: ReadonlyMap<Id, string>,
): SharedUsage<Id> {
  const own = new Map<Id, number>();
  const inodes = new Map<number, Inode<Id>>();
  for (const [id, path] of directories) {
    let bytes = 0;
    visit(path, (stats) => {
      const blocks = stats.blocks * BLOCK_BYTES;
      if (!isShared(stats)) {
        bytes += blocks;
        return;
      }
      const inode = inodes.get(stats.ino);
      if (!inode) {
        inodes.set(stats.ino, { bytes: blocks, nlink: stats.nlink, holders: [id], found: 1 });
        return;
      }
      inode.found += 1;
      if (inode.holders.at(-1) !== id) inode.holders.push(id);
    });
    own.set(id, bytes);
  }
  return sumUp(own, inodes.values());
}
