/**
 * Digests a directory tree. Content is read only where the fingerprint of a file says that it may
 * have changed since it was read last, with git's rule for racily clean entries; a directory in
 * which nothing changed costs one readdir, one lstat a file and one look-up.
 */
import { createHash } from 'node:crypto';
import type { FileDigest, TreeDigest } from '../../keys/digest.js';
import type { ByteCounter } from '../../util/byte-counter.js';
import { counting } from '../../util/byte-counter.js';
import { takeDeviceMark } from '../device-marks.js';
import type { Directory } from '../directory.js';
import { lstatEntry } from '../directory.js';
import type { Content } from '../read.js';
import { digestEntry, readBuffer, readLink } from '../read.js';
import { lastName, parentPath } from '../tree-path.js';
import type { Walkers } from '../walker.js';
import { withWalkers } from '../walker.js';
import type { IsBorrowed } from './borrowed-times.js';
import { borrowedTimes } from './borrowed-times.js';
import type { FileSource } from './file-source.js';
import type { FileStats } from './file-stats.js';
import { fileStats } from './file-stats.js';
import type { FingerprintStore } from './fingerprint.js';
import { fingerprintAt, fingerprintDirectory, isRacy } from './fingerprint.js';
import type { Scanned, ScannedDirectory } from './listing.js';
import type { SpecialEntry, TreeEntry, Xattrs } from './tree.js';
import { decodeTree, encodeTree, isPlainTree } from './tree.js';
import type { FoundFile, ReadFile, Unread } from './unread.js';
import { countUnread, digestUnread, NOT_FOUND, notRead, readAt, unreadIn } from './unread.js';
import { unreadable } from './unreadable.js';
import { readXattrs, xattrText } from './xattrs.js';

/** What the scan needs from the cache's index. */
export interface ScanStore extends FingerprintStore {
  readTree(digest: TreeDigest): string | undefined;
  writeTree(digest: TreeDigest, text: string): void;
}

const NO_XATTRS: Xattrs = [];

/** So few are read here before another process could be asked: what most steps leave. */
const FEW_FILES = 16;
const FEW_BYTES = 256 << 10;

/** The content of an empty file. */
const NOTHING: Content = { digest: createHash('sha256').digest('hex') as FileDigest, size: 0 };

/** What one scan works with. */
interface Scan {
  readonly source: FileSource;
  readonly store: ScanStore;
  /** When the scan began, milliseconds since the epoch. */
  readonly seenAt: number;
  readonly isBorrowed: IsBorrowed;
  /** Filled while fingerprints are compared: everything that has to be read. */
  readonly unread: Unread[];
}

/** A directory after its fingerprints were compared. */
interface Examined {
  readonly directory: ScannedDirectory;
  readonly fingerprint: string;
  /** The former node, when nothing in this very directory changed (below it something may have). */
  readonly unchanged: TreeDigest | undefined;
  /** Otherwise: entries that are known from the last scan. */
  readonly known: ReadonlyMap<string, TreeEntry>;
  /** The other ones. */
  readonly unread?: Unread | undefined;
  readonly subdirectories: ReadonlyMap<string, Examined>;
  /** The node of all of it, where a layer has that. */
  readonly settled?: TreeDigest;
}

/** Entries that are as they were in the last scan, or that the source itself knows. */
function knownEntries(
  { source, store }: Scan,
  { path, fields, names, getPlace }: ScannedDirectory,
  tree: TreeDigest | undefined,
): Map<string, TreeEntry> {
  const known = new Map<string, TreeEntry>();
  const scope = source.fingerprintScope;
  const text = scope === undefined || tree === undefined ? undefined : store.readTree(tree);
  if (scope !== undefined && text !== undefined) {
    const former = store.getEntries(scope, path) ?? {};
    const places = new Map(names.map((name, index) => [name, index]));
    for (const entry of decodeTree(text)) {
      const index = places.get(entry.name);
      if (index !== undefined && former[entry.name] === fingerprintAt(fields, index, store.hash64))
        known.set(entry.name, entry);
    }
  }
  if (!source.known) return known;
  for (const name of names) {
    const entry = known.has(name) ? undefined : source.known(getPlace(name));
    if (entry) known.set(name, { ...entry, name });
  }
  return known;
}

/** What is not known of a directory. */
function findUnread(
  directory: ScannedDirectory,
  known: ReadonlyMap<string, TreeEntry>,
): Unread | undefined {
  const indexes: number[] = [];
  for (const [index, name] of directory.names.entries()) if (!known.has(name)) indexes.push(index);
  return indexes.length > 0 ? unreadIn(directory, indexes) : undefined;
}

/** Compares a tree with its fingerprints; collects in `scan.unread` what has to be read. */
function examine(scan: Scan, directory: ScannedDirectory): Examined {
  const { whole } = directory;
  if (whole && isPlainTree(scan.store.readTree, whole.tree)) {
    const [known, subdirectories] = [new Map(), new Map()];
    const settled = whole.tree;
    const unchanged = undefined;
    return { directory, fingerprint: '', unchanged, known, subdirectories, settled };
  }
  const scope = scan.source.fingerprintScope;
  const fingerprint = fingerprintDirectory(directory, scan.store.hash64);
  const former = scope === undefined ? undefined : scan.store.getDirectory(scope, directory.path);
  const unchanged = former?.clean && former.all === fingerprint ? former.tree : undefined;
  const known =
    unchanged === undefined
      ? knownEntries(scan, directory, former?.tree)
      : new Map<string, TreeEntry>();
  const subdirectories = new Map<string, Examined>();
  for (const [name, below] of directory.subdirectories)
    subdirectories.set(name, examine(scan, below));
  const unread = unchanged === undefined ? findUnread(directory, known) : undefined;
  if (unread) scan.unread.push(unread);
  return { directory, fingerprint, unchanged, known, subdirectories, unread };
}

/**
 * Reads what is behind a name, which may have become something else since it was listed: editors
 * and compilers replace files at any moment.
 * @returns undefined when it is gone, or is a directory by now, whose files were not listed
 */
function readName(
  directory: Directory,
  name: string,
  listed: FileStats,
  buffer: Buffer,
): ReadFile | undefined {
  let stats = listed;
  for (let attempt = 0; attempt < 3; attempt += 1) {
    if (stats.kind === 'file') {
      const content = digestEntry(directory, name, buffer);
      if (content) return { stats, content };
    } else if (stats.kind === 'symlink') {
      const target = readLink(directory, name);
      if (target !== undefined) return { stats, target };
    } else if (stats.kind !== 'dir') return { stats, device: stats.rdev };
    const now = lstatEntry(directory, name);
    if (!now || now.isDirectory()) return undefined;
    stats = fileStats(now);
  }
  return undefined;
}

/** Reads what wiac-sys has not read: links and devices, and what has changed since it was listed. */
function readOthers(scan: Scan, walkers: Walkers): void {
  const others = [...notRead(scan.unread)];
  const buffer = readBuffer(
    others.reduce((most, [, , { stats }]) => Math.max(most, stats.size), 0),
  );
  for (const [unread, at, file] of others) {
    if (file.stats.kind === 'dir') continue;
    const { root, path } = file.place;
    try {
      const directory = walkers.at(root, parentPath(path));
      const found = readName(directory, lastName(path), file.stats, buffer);
      if (found) unread.others.set(at, found);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (scan.source.changes && (code === 'ENOENT' || code === 'ENOTDIR')) continue;
      throw unreadable(error, scan.source, path);
    }
  }
}

/** Attributes of what wiac-sys has not read: links and directories, say. */
async function readOtherXattrs(scan: Scan): Promise<void> {
  const others = [...notRead(scan.unread)];
  const found = await readXattrs(others.map(([, , file]) => file));
  for (const [unread, at, { place }] of others) {
    const xattrs = found.get(place);
    if (xattrs) unread.xattrs.set(at, xattrs);
  }
}

async function readUnread(scan: Scan): Promise<void> {
  const { source, unread } = scan;
  const { files, bytes } = countUnread(unread);
  const withXattrs = !source.withoutXattrs;
  // Few are read below.
  const areFew = files <= FEW_FILES && bytes <= FEW_BYTES;
  const digestAll = async (add: ByteCounter['add']) =>
    areFew ? undefined : digestUnread(unread, withXattrs, add);
  await counting(source.counter, bytes, digestAll);
  if (withXattrs) await readOtherXattrs(scan);
  withWalkers((walkers) => readOthers(scan, walkers));
}

/** @returns undefined when the file is gone */
function newEntry(
  scan: Scan,
  child: Scanned,
  { found, xattrs: own }: FoundFile,
  former: TreeEntry | undefined,
  tree: TreeDigest | undefined,
): TreeEntry | undefined {
  const { name } = child;
  const stats = found?.stats ?? child.stats;
  const keep = scan.source.ownership === 'keep';
  const { mode } = stats;
  const uid = keep ? stats.uid : 0;
  const gid = keep ? stats.gid : 0;
  const marked = former?.xattrs ?? own ?? NO_XATTRS;
  const isEmpty = stats.kind === 'file' && stats.size === 0;
  const taken = marked.length === 0 ? undefined : takeDeviceMark(marked, isEmpty, xattrText);
  const xattrs = taken?.xattrs ?? marked;
  // Written out, as in decodeTree.
  if (tree !== undefined) return { type: 'dir', name, mode, uid, gid, xattrs, digest: tree };
  // BuildKit sends it without saying what it is, and there is nothing in it to be sent.
  if (!keep && stats.kind === 'socket') {
    const { digest, size } = NOTHING;
    return { type: 'file', name, mode, uid, gid, xattrs, digest, size };
  }
  if (former !== undefined) return former;
  if (!found) return undefined;
  // A context of a user may have such files: there they mean nothing.
  if (taken?.device && keep) return { ...taken.device, name, mode, uid, gid, xattrs };
  if ('content' in found) {
    const { digest, size } = found.content;
    return { type: 'file', name, mode, uid, gid, xattrs, digest, size };
  }
  if ('target' in found)
    return { type: 'symlink', name, mode, uid, gid, xattrs, target: found.target };
  return { type: specialKind(stats), name, mode, uid, gid, xattrs, device: found.device };
}

function specialKind({ kind }: FileStats): SpecialEntry['type'] {
  if (kind === 'file' || kind === 'dir' || kind === 'symlink')
    throw new Error(`${kind} is no device`);
  return kind;
}

function remember(
  scan: Scan,
  { directory, fingerprint }: Examined,
  children: readonly Scanned[],
  tree: TreeDigest,
  present: ReadonlySet<string>,
): void {
  const scope = scan.source.fingerprintScope;
  if (scope === undefined) return;
  const entries: Record<string, string> = {};
  let clean = true;
  for (const [index, child] of children.entries()) {
    const { stats, name } = child;
    // What was gone when it was to be read may be there again.
    if (isRacy(stats, scan.seenAt) || scan.isBorrowed(stats) || !present.has(name)) clean = false;
    else entries[name] = fingerprintAt(directory.fields, index, scan.store.hash64);
  }
  scan.store.putDirectory(scope, directory.path, { all: fingerprint, clean, tree }, entries);
}

/** Is the former node still right, now that the digests of its subdirectories are known? */
function stillRight(
  scan: Scan,
  examined: Examined,
  digests: ReadonlyMap<string, TreeDigest>,
): boolean {
  if (examined.unchanged === undefined) return false;
  if (digests.size === 0) return true;
  const text = scan.store.readTree(examined.unchanged);
  if (text === undefined) return false;
  return decodeTree(text).every(
    (entry) => entry.type !== 'dir' || digests.get(entry.name) === entry.digest,
  );
}

/** Puts digests together from the leaves up and writes what is new to the store. */
function conclude(scan: Scan, examined: Examined): TreeDigest {
  if (examined.settled !== undefined) return examined.settled;
  const digests = new Map<string, TreeDigest>();
  for (const [name, sub] of examined.subdirectories) digests.set(name, conclude(scan, sub));
  const { unchanged } = examined;
  if (unchanged !== undefined && stillRight(scan, examined, digests)) return unchanged;
  let known = examined.known;
  if (unchanged !== undefined) {
    known = new Map(decodeTree(scan.store.readTree(unchanged) ?? '[]').map((e) => [e.name, e]));
  }
  const children = examined.directory.getChildren();
  const entries: TreeEntry[] = [];
  const { unread } = examined;
  let at = 0;
  for (const [index, child] of children.entries()) {
    const found = unread?.indexes[at] === index ? readAt(unread, at++, child.stats) : NOT_FOUND;
    const { name } = child;
    const entry = newEntry(scan, child, found, known.get(name), digests.get(name));
    if (entry) entries.push(entry);
  }
  const { digest, text } = encodeTree(entries);
  scan.store.writeTree(digest, text);
  remember(scan, examined, children, digest, new Set(entries.map(({ name }) => name)));
  return digest;
}

/**
 * Digests trees as listTree and listSingle found them.
 * @returns one digest for each tree, in the same order
 * @throws the file system's errors, IsolationError
 */
export async function digestTrees(
  source: FileSource,
  store: ScanStore,
  trees: readonly ScannedDirectory[],
  seenAt: number,
): Promise<TreeDigest[]> {
  const scan: Scan = { source, store, seenAt, isBorrowed: borrowedTimes(), unread: [] };
  const examined = trees.map((tree) => examine(scan, tree));
  if (scan.unread.length > 0) await readUnread(scan);
  return examined.map((tree) => conclude(scan, tree));
}
