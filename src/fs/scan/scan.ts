/**
 * Digests a directory tree. Content is read only where the fingerprint of a file says that it may
 * have changed since it was read last, with git's rule for racily clean entries; a directory in
 * which nothing changed costs one readdir, one lstat a file and one look-up.
 */
import { createHash } from 'node:crypto';
import type { FileDigest, TreeDigest } from '../../keys/digest.js';
import type { ByteCounter } from '../../util/byte-counter.js';
import { counting } from '../../util/byte-counter.js';
import type { Directory } from '../directory.js';
import { lstatEntry } from '../directory.js';
import type { Content } from '../read.js';
import { digestEntry, readBuffer, readLink } from '../read.js';
import { lastName, parentPath } from '../tree-path.js';
import type { Walkers } from '../walker.js';
import { withWalkers } from '../walker.js';
import { digestFiles } from './digest-files.js';
import type { FileSource, Place } from './file-source.js';
import type { FileStats } from './file-stats.js';
import { fileStats } from './file-stats.js';
import type { FingerprintStore } from './fingerprint.js';
import { fingerprintDirectory, fingerprintEntry, isRacy } from './fingerprint.js';
import type { Scanned, ScannedDirectory } from './listing.js';
import type { SpecialEntry, TreeEntry, Xattrs } from './tree.js';
import { decodeTree, encodeTree, isPlainTree } from './tree.js';
import { unreadable } from './unreadable.js';
import { readXattrs } from './xattrs.js';

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
  /** Filled while fingerprints are compared: everything that has to be read. */
  readonly dirty: Scanned[];
  /** What was read; a file that is missing here was gone by then. */
  readonly read: Map<Scanned, ReadFile>;
  xattrs: ReadonlyMap<Place, Xattrs>;
}

/** A file as it was when it was read. */
type ReadFile = { readonly stats: FileStats } & (
  | { readonly content: Content }
  | { readonly target: string }
  | { readonly device: number }
);

/** A directory after its fingerprints were compared. */
interface Examined {
  readonly directory: ScannedDirectory;
  /** Empty where nothing changed. */
  readonly children: readonly Scanned[];
  readonly fingerprint: string;
  /** The former node, when nothing in this very directory changed (below it something may have). */
  readonly unchanged: TreeDigest | undefined;
  /** Otherwise: entries that are known from the last scan; a name that is missing must be read. */
  readonly known: ReadonlyMap<string, TreeEntry>;
  readonly subdirectories: ReadonlyMap<string, Examined>;
  /** The node of all of it, where a layer has that. */
  readonly settled?: TreeDigest;
}

function knownEntries(
  scan: Scan,
  { path }: ScannedDirectory,
  children: readonly Scanned[],
  tree: TreeDigest,
): Map<string, TreeEntry> {
  const known = new Map<string, TreeEntry>();
  const scope = scan.source.fingerprintScope;
  const text = scan.store.readTree(tree);
  if (scope === undefined || text === undefined) return known;
  const former = scan.store.getEntries(scope, path) ?? {};
  const stats = new Map(children.map((child) => [child.name, child.stats]));
  for (const entry of decodeTree(text)) {
    const now = stats.get(entry.name);
    if (now && former[entry.name] === fingerprintEntry(now, scan.store.hash64)) {
      known.set(entry.name, entry);
    }
  }
  return known;
}

/** Compares a tree with its fingerprints; collects in `scan.dirty` the directories that have to be read. */
function examine(scan: Scan, directory: ScannedDirectory): Examined {
  const { whole } = directory;
  if (whole && isPlainTree(scan.store.readTree, whole.tree)) {
    const [known, subdirectories] = [new Map(), new Map()];
    const settled = whole.tree;
    return {
      directory,
      children: [],
      fingerprint: '',
      unchanged: undefined,
      known,
      subdirectories,
      settled,
    };
  }
  const scope = scan.source.fingerprintScope;
  const fingerprint = fingerprintDirectory(directory, scan.store.hash64);
  const former = scope === undefined ? undefined : scan.store.getDirectory(scope, directory.path);
  const unchanged = former?.clean && former.all === fingerprint ? former.tree : undefined;
  const children = unchanged === undefined ? directory.getChildren() : [];
  const known =
    former && unchanged === undefined
      ? knownEntries(scan, directory, children, former.tree)
      : new Map<string, TreeEntry>();
  const subdirectories = new Map<string, Examined>();
  for (const [name, below] of directory.subdirectories)
    subdirectories.set(name, examine(scan, below));
  if (unchanged === undefined) {
    for (const child of children) {
      if (known.has(child.name)) continue;
      const entry = scan.source.known?.(child.place);
      if (entry) known.set(child.name, { ...entry, name: child.name });
      else scan.dirty.push(child);
    }
  }
  return { directory, children, fingerprint, unchanged, known, subdirectories };
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
  const buffer = readBuffer();
  for (const file of scan.dirty) {
    if (file.stats.kind === 'dir' || scan.read.has(file)) continue;
    const { root, path } = file.place;
    try {
      const directory = walkers.at(root, parentPath(path));
      const found = readName(directory, lastName(path), file.stats, buffer);
      if (found) scan.read.set(file, found);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (scan.source.changes && (code === 'ENOENT' || code === 'ENOTDIR')) continue;
      throw unreadable(error, scan.source, path);
    }
  }
}

async function readDirty(scan: Scan): Promise<void> {
  const all = scan.dirty.filter(({ stats }) => stats.kind === 'file');
  const bytes = all.reduce((sum, { stats }) => sum + stats.size, 0);
  // The others are read below.
  const files = all.length <= FEW_FILES && bytes <= FEW_BYTES ? [] : all;
  const digestAll = (add: ByteCounter['add']) =>
    digestFiles(files, (file, content) => {
      scan.read.set(file, { stats: file.stats, content });
      add(content.size);
    });
  const [xattrs] = await Promise.all([
    scan.source.withoutXattrs ? new Map() : readXattrs(scan.dirty),
    counting(scan.source.counter, bytes, digestAll),
  ]);
  scan.xattrs = xattrs;
  withWalkers((walkers) => readOthers(scan, walkers));
}

/** @returns undefined when the file is gone */
function newEntry(
  scan: Scan,
  child: Scanned,
  former: TreeEntry | undefined,
  tree: TreeDigest | undefined,
): TreeEntry | undefined {
  const { name, place } = child;
  const found = scan.read.get(child);
  const stats = found?.stats ?? child.stats;
  const keep = scan.source.ownership === 'keep';
  const { mode } = stats;
  const uid = keep ? stats.uid : 0;
  const gid = keep ? stats.gid : 0;
  const xattrs = former?.xattrs ?? scan.xattrs.get(place) ?? NO_XATTRS;
  // Written out, as in decodeTree.
  if (tree !== undefined) return { type: 'dir', name, mode, uid, gid, xattrs, digest: tree };
  // BuildKit sends it without saying what it is, and there is nothing in it to be sent.
  if (!keep && stats.kind === 'socket') {
    const { digest, size } = NOTHING;
    return { type: 'file', name, mode, uid, gid, xattrs, digest, size };
  }
  if (former !== undefined) return former;
  if (!found) return undefined;
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
  for (const child of children) {
    // What was gone when it was to be read may be there again.
    if (isRacy(child.stats, scan.seenAt) || !present.has(child.name)) clean = false;
    else entries[child.name] = fingerprintEntry(child.stats, scan.store.hash64);
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
  const children = unchanged === undefined ? examined.children : examined.directory.getChildren();
  const entries: TreeEntry[] = [];
  for (const child of children) {
    const entry = newEntry(scan, child, known.get(child.name), digests.get(child.name));
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
  const scan: Scan = { source, store, seenAt, dirty: [], read: new Map(), xattrs: new Map() };
  const examined = trees.map((tree) => examine(scan, tree));
  if (scan.dirty.length > 0) await readDirty(scan);
  return examined.map((tree) => conclude(scan, tree));
}
