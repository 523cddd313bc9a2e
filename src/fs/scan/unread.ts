/**
 * What a scan has to read in a directory, and what was read of it: in arrays, because objects of 20,000
 * files would take longer to make, and to be moved by the garbage collector, than the files to be read.
 */
import type { FileDigest } from '../../keys/digest.js';
import { DIGEST_BYTES, digestListed } from '../../native/digest-listed.js';
import type { NamedFiles } from '../../native/named-files.js';
import type { Content } from '../read.js';
import { lastName, parentPath } from '../tree-path.js';
import type { FileKind, FileStats } from './file-stats.js';
import { getKind } from './file-stats.js';
import type { Scanned, ScannedDirectory } from './listing.js';
import { OTHER_FIELDS } from './stat-names.js';
import type { Xattrs } from './tree.js';
import { keptXattrs } from './xattrs.js';

/** A file as it was when it was read. */
export type ReadFile = { readonly stats: FileStats } & (
  | { readonly content: Content }
  | { readonly target: string }
  | { readonly device: number }
);

/** Names of a directory that have to be read. */
export interface Unread {
  readonly directory: ScannedDirectory;
  /** Their places in its listing, in its order. */
  readonly indexes: readonly number[];
  /** What wiac-sys has read, by place in `indexes`; NaN: nothing. */
  readonly sizes: Float64Array;
  readonly digests: Buffer;
  /** What else was read, by place in `indexes`. */
  readonly others: Map<number, ReadFile>;
  /** Of those that have any. */
  readonly xattrs: Map<number, Xattrs>;
}

export function unreadIn(directory: ScannedDirectory, indexes: readonly number[]): Unread {
  const sizes = new Float64Array(indexes.length).fill(Number.NaN);
  const digests = Buffer.alloc(indexes.length * DIGEST_BYTES);
  return { directory, indexes, sizes, digests, others: new Map(), xattrs: new Map() };
}

const otherAt = ({ directory }: Unread, index: number, field: number) =>
  directory.others[index * OTHER_FIELDS + field] as number;

const kindAt = (unread: Unread, index: number): FileKind => getKind(otherAt(unread, index, 0));

const sizeAt = (unread: Unread, index: number) => otherAt(unread, index, 1);

/** How many files there are, and how large they were. */
export function countUnread(all: readonly Unread[]): { files: number; bytes: number } {
  let [files, bytes] = [0, 0];
  for (const unread of all)
    for (const index of unread.indexes) {
      if (kindAt(unread, index) !== 'file') continue;
      files += 1;
      bytes += sizeAt(unread, index);
    }
  return { files, bytes };
}

/** What was read of a name; nothing is found of one that was gone by then. */
export interface FoundFile {
  readonly found: ReadFile | undefined;
  readonly xattrs: Xattrs | undefined;
}

export const NOT_FOUND: FoundFile = { found: undefined, xattrs: undefined };

/** @param at place in `indexes` @param stats of the listing */
export function readAt(unread: Unread, at: number, stats: FileStats): FoundFile {
  const xattrs = unread.xattrs.get(at);
  const size = unread.sizes[at] as number;
  if (Number.isNaN(size)) return { found: unread.others.get(at), xattrs };
  const digest = unread.digests.toString('hex', at * DIGEST_BYTES, (at + 1) * DIGEST_BYTES);
  return { found: { stats, content: { size, digest: digest as FileDigest } }, xattrs };
}

/** Names of which wiac-sys has read nothing, with their places in `indexes`. */
export function* notRead(all: readonly Unread[]): Generator<[unread: Unread, at: number, Scanned]> {
  for (const unread of all) {
    if (!unread.sizes.some(Number.isNaN)) continue;
    const children = unread.directory.getChildren();
    for (const [at, index] of unread.indexes.entries()) {
      const child = children[index];
      if (child && Number.isNaN(unread.sizes[at])) yield [unread, at, child];
    }
  }
}

/** Files of one root, as wiac-sys is asked for them. */
interface RootFiles {
  readonly listed: (NamedFiles & { readonly names: string[]; readonly bytes: number[] })[];
  /** In the same order: what each is in, and its place there. */
  readonly unread: Unread[];
  readonly at: number[];
}

function byRoot(all: readonly Unread[]): Map<string, RootFiles> {
  const roots = new Map<string, RootFiles>();
  for (const unread of all) {
    const { names, getPlace } = unread.directory;
    for (const [at, index] of unread.indexes.entries()) {
      if (kindAt(unread, index) !== 'file') continue;
      const { root, path } = getPlace(names[index] as string);
      const files = roots.get(root) ?? { listed: [], unread: [], at: [] };
      if (files.listed.length === 0) roots.set(root, files);
      const directory = parentPath(path);
      let last = files.listed.at(-1);
      if (last?.directory !== directory) {
        last = { directory, names: [], bytes: [] };
        files.listed.push(last);
      }
      last.names.push(lastName(path));
      last.bytes.push(sizeAt(unread, index));
      files.unread.push(unread);
      files.at.push(at);
    }
  }
  return roots;
}

/**
 * Reads the files, with their attributes. Of what has become something else, or can't be read, nothing is
 * noted: the caller looks at that itself.
 * @param withXattrs else they are known to have none
 * @throws IsolationError; where attributes are wanted, what the file system says of them
 */
export async function digestUnread(
  all: readonly Unread[],
  withXattrs: boolean,
  onRead: (bytes: number) => void,
): Promise<void> {
  const reading = [...byRoot(all)].map(async ([root, { listed, unread, at }]) => {
    try {
      await digestListed(root, listed, (index, size, digest, xattrs) => {
        const [into, place] = [unread[index], at[index]];
        if (into === undefined || place === undefined) return;
        into.sizes[place] = size;
        into.digests.set(digest, place * DIGEST_BYTES);
        const kept = xattrs.length > 0 && withXattrs ? keptXattrs(xattrs, 'text') : [];
        if (kept.length > 0) into.xattrs.set(place, kept);
        onRead(size);
      });
    } catch (error) {
      // It says nothing of the others either, and the caller will say of which file this is.
      if (withXattrs || (error as NodeJS.ErrnoException).syscall === undefined) throw error;
    }
  });
  await Promise.all(reading);
}
