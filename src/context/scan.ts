/**
 * Digests a directory tree. Content is read only where the fingerprint of a file says that it may
 * have changed since it was read last, with git's rule for racily clean entries; a directory in
 * which nothing changed costs one readdir, one lstat a file and one look-up.
 */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, readlinkSync, readSync } from 'node:fs';
import type { FileDigest, TreeDigest } from '../keys/digest.js';
import type { FingerprintStore } from './fingerprint.js';
import { fingerprintDirectory, fingerprintEntry, isRacy } from './fingerprint.js';
import type { Scanned, ScannedDirectory } from './listing.js';
import type { FileSource } from './source.js';
import type { TreeEntry, Xattrs } from './tree.js';
import { decodeTree, encodeTree } from './tree.js';
import { readXattrs } from './xattrs.js';

/** What the scan needs from the cache's index. */
export interface ScanStore extends FingerprintStore {
  readTree(digest: TreeDigest): string | undefined;
  writeTree(digest: TreeDigest, text: string): void;
}

/** Files up to this size are read at once; larger ones in pieces, so that memory stays bounded. */
const ONE_READ_LIMIT = 1 << 20;

/**
 * SHA-256 of a file's content.
 * @throws the file system's error when it can't be read
 */
export function digestFile(path: string, size: number): FileDigest {
  const hash = createHash('sha256');
  if (size <= ONE_READ_LIMIT) return hash.update(readFileSync(path)).digest('hex') as FileDigest;
  const descriptor = openSync(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(ONE_READ_LIMIT);
    for (;;) {
      const bytes = readSync(descriptor, buffer, 0, buffer.length, null);
      if (bytes === 0) break;
      hash.update(buffer.subarray(0, bytes));
    }
  } finally {
    closeSync(descriptor);
  }
  return hash.digest('hex') as FileDigest;
}

const NO_XATTRS: Xattrs = [];

/** What one scan works with. */
interface Scan {
  readonly source: FileSource;
  readonly store: ScanStore;
  /** When the scan began, milliseconds since the epoch. */
  readonly seenAt: number;
  /** Filled while fingerprints are compared: everything that has to be read. */
  readonly dirty: Scanned[];
  readonly contents: Map<string, FileDigest>;
  xattrs: ReadonlyMap<string, Xattrs>;
}

/** A directory after its fingerprints were compared. */
interface Examined {
  readonly directory: ScannedDirectory;
  readonly fingerprint: string;
  /** The former node, when nothing in this very directory changed (below it something may have). */
  readonly unchanged: TreeDigest | undefined;
  /** Otherwise: entries that are known from the last scan; a name that is missing must be read. */
  readonly known: ReadonlyMap<string, TreeEntry>;
  readonly subdirectories: ReadonlyMap<string, Examined>;
}

function knownEntries(
  scan: Scan,
  directory: ScannedDirectory,
  tree: TreeDigest,
): Map<string, TreeEntry> {
  const known = new Map<string, TreeEntry>();
  const scope = scan.source.fingerprintScope;
  const text = scan.store.readTree(tree);
  if (scope === undefined || text === undefined) return known;
  const former = scan.store.getEntries(scope, directory.path) ?? {};
  const stats = new Map(directory.children.map((child) => [child.name, child.stats]));
  for (const entry of decodeTree(text)) {
    const now = stats.get(entry.name);
    if (now && former[entry.name] === fingerprintEntry(now, scan.store.hash64)) {
      known.set(entry.name, entry);
    }
  }
  return known;
}

/** Compares a tree with its fingerprints; collects in `scan.dirty` what has to be read. */
function examine(scan: Scan, directory: ScannedDirectory): Examined {
  const scope = scan.source.fingerprintScope;
  const fingerprint = fingerprintDirectory(directory, scan.store.hash64);
  const former = scope === undefined ? undefined : scan.store.getDirectory(scope, directory.path);
  const unchanged = former?.clean && former.all === fingerprint ? former.tree : undefined;
  const known =
    former && unchanged === undefined ? knownEntries(scan, directory, former.tree) : new Map();
  const subdirectories = new Map<string, Examined>();
  for (const [name, below] of directory.subdirectories)
    subdirectories.set(name, examine(scan, below));
  if (unchanged === undefined) {
    for (const child of directory.children) if (!known.has(child.name)) scan.dirty.push(child);
  }
  return { directory, fingerprint, unchanged, known, subdirectories };
}

function newEntry(
  scan: Scan,
  child: Scanned,
  former: TreeEntry | undefined,
  tree: TreeDigest | undefined,
): TreeEntry {
  const { stats, name, hostPath } = child;
  const keep = scan.source.ownership === 'keep';
  const base = {
    name,
    mode: stats.mode,
    uid: keep ? stats.uid : 0,
    gid: keep ? stats.gid : 0,
    xattrs: former?.xattrs ?? scan.xattrs.get(hostPath) ?? NO_XATTRS,
  };
  if (tree !== undefined) return { ...base, type: 'dir', digest: tree };
  if (former !== undefined) return former;
  if (stats.kind === 'file') {
    const digest = scan.contents.get(hostPath) as FileDigest;
    return { ...base, type: 'file', digest, size: stats.size };
  }
  if (stats.kind === 'symlink') return { ...base, type: 'symlink', target: readlinkSync(hostPath) };
  if (stats.kind === 'dir') throw new Error(`${hostPath} has no tree`);
  return { ...base, type: stats.kind, device: stats.rdev };
}

function remember(scan: Scan, { directory, fingerprint }: Examined, tree: TreeDigest): void {
  const scope = scan.source.fingerprintScope;
  if (scope === undefined) return;
  const entries: Record<string, string> = {};
  let clean = true;
  for (const child of directory.children) {
    if (isRacy(child.stats, scan.seenAt)) clean = false;
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
  const digests = new Map<string, TreeDigest>();
  for (const [name, sub] of examined.subdirectories) digests.set(name, conclude(scan, sub));
  const { unchanged } = examined;
  if (unchanged !== undefined && stillRight(scan, examined, digests)) return unchanged;
  let known = examined.known;
  if (unchanged !== undefined) {
    known = new Map(decodeTree(scan.store.readTree(unchanged) ?? '[]').map((e) => [e.name, e]));
  }
  const entries = examined.directory.children.map((child) =>
    newEntry(scan, child, known.get(child.name), digests.get(child.name)),
  );
  const { digest, text } = encodeTree(entries);
  scan.store.writeTree(digest, text);
  remember(scan, examined, digest);
  return digest;
}

/**
 * Digests trees as listTree and listSingle found them.
 * @returns one digest for each tree, in the same order
 * @throws IsolationError when getfattr is missing, and the file system's errors
 */
export async function digestTrees(
  source: FileSource,
  store: ScanStore,
  trees: readonly ScannedDirectory[],
  seenAt: number,
): Promise<TreeDigest[]> {
  const scan: Scan = { source, store, seenAt, dirty: [], contents: new Map(), xattrs: new Map() };
  const examined = trees.map((tree) => examine(scan, tree));
  if (scan.dirty.length > 0) {
    // getfattr works on the other core while this thread reads the files.
    const xattrs = readXattrs(scan.dirty.map((file) => file.hostPath));
    for (const { hostPath, stats } of scan.dirty) {
      if (stats.kind === 'file') scan.contents.set(hostPath, digestFile(hostPath, stats.size));
    }
    scan.xattrs = await xattrs;
  }
  return examined.map((tree) => conclude(scan, tree));
}
