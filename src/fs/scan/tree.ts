/**
 * Trees: the files below a directory as content-addressed nodes, like git's tree objects. A node
 * is the sorted list of its entries; its digest covers everything below it. Two trees differ only
 * where their digests differ, so that comparing 20,000 files costs as much as the change.
 * The encoding is specified in cache-format.md, "Trees".
 */

import type { FileDigest, TreeDigest } from '../../keys/digest.js';
import { sha256 } from '../../util/canonical-json.js';

/** Extended attributes of an entry, name to value in hex, sorted by name. */
export type Xattrs = readonly (readonly [name: string, hexValue: string])[];

interface EntryBase {
  readonly name: string;
  /** Permission bits with setuid, setgid and sticky: 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly xattrs: Xattrs;
}
export interface FileEntry extends EntryBase {
  readonly type: 'file';
  readonly digest: FileDigest;
  /** Bytes. */
  readonly size: number;
}
export interface DirectoryEntry extends EntryBase {
  readonly type: 'dir';
  readonly digest: TreeDigest;
}
export interface SymlinkEntry extends EntryBase {
  readonly type: 'symlink';
  readonly target: string;
}
/** Character and block devices (`major:minor` in `device`), fifos and sockets. */
export interface SpecialEntry extends EntryBase {
  readonly type: 'char' | 'block' | 'fifo' | 'socket';
  readonly device: number;
}
export type TreeEntry = FileEntry | DirectoryEntry | SymlinkEntry | SpecialEntry;

/** Looks a node up by its digest; throws StoreError if it is not there. */
export type TreeReader = (digest: TreeDigest) => readonly TreeEntry[];

const TYPE_LETTERS = {
  file: 'f',
  dir: 'd',
  symlink: 'l',
  char: 'c',
  block: 'b',
  fifo: 'p',
  socket: 's',
} as const;

/** Names that stand for themselves in JSON. */
const PLAIN_NAME = /^[ !#-[\]-~]*$/;

/** As JSON.stringify of a list, which takes several times as long. */
function encodeEntry(entry: TreeEntry): string {
  const { type, name, mode, uid, gid } = entry;
  const quoted = PLAIN_NAME.test(name) ? `"${name}"` : JSON.stringify(name);
  const xattrs = entry.xattrs.length === 0 ? '[]' : JSON.stringify(entry.xattrs);
  const begin = `["${TYPE_LETTERS[type]}",${quoted},${mode},${uid},${gid},${xattrs},`;
  if (type === 'file') return `${begin}"${entry.digest}",${entry.size}]`;
  if (type === 'dir') return `${begin}"${entry.digest}",0]`;
  if (type === 'symlink') return `${begin}${JSON.stringify(entry.target)},0]`;
  return `${begin}${entry.device},0]`;
}

/** Code unit order, as canonicalJson sorts: the same on every machine and locale. */
export function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

/**
 * Encodes a node.
 * @param entries sorted with byName
 * @returns the digest and the text it is the SHA-256 of, which is also what the store keeps
 */
export function encodeTree(entries: readonly TreeEntry[]): { digest: TreeDigest; text: string } {
  const text = `[${entries.map(encodeEntry).join(',\n')}]`;
  return { digest: sha256(text) as TreeDigest, text };
}

/** The node of a directory without entries. */
export const EMPTY_TREE: TreeDigest = encodeTree([]).digest;

type EncodedEntry = [string, string, number, number, number, Xattrs, string | number, number];

function decodeEntry(encoded: EncodedEntry): TreeEntry {
  const [letter, name, mode, uid, gid, xattrs, detail, size] = encoded;
  // Written out: an object that is spread into another one takes a kilobyte, for each of 20,000 files.
  switch (letter) {
    case 'f':
      return { type: 'file', name, mode, uid, gid, xattrs, digest: detail as FileDigest, size };
    case 'd':
      return { type: 'dir', name, mode, uid, gid, xattrs, digest: detail as TreeDigest };
    case 'l':
      return { type: 'symlink', name, mode, uid, gid, xattrs, target: String(detail) };
    case 'c':
      return { type: 'char', name, mode, uid, gid, xattrs, device: Number(detail) };
    case 'b':
      return { type: 'block', name, mode, uid, gid, xattrs, device: Number(detail) };
    case 'p':
      return { type: 'fifo', name, mode, uid, gid, xattrs, device: Number(detail) };
    default:
      return { type: 'socket', name, mode, uid, gid, xattrs, device: Number(detail) };
  }
}

/** The reverse of encodeTree. */
export function decodeTree(text: string): TreeEntry[] {
  return (JSON.parse(text) as EncodedEntry[]).map(decodeEntry);
}

/** A directory in a node's text, with the digest of its own node; names are quoted in JSON. */
const SUBTREE = /^\[{1,2}"d",[^\n]*,\[\],"([0-9a-f]{64})",0\]/gm;

/**
 * May anything below a node have extended attributes? From the text, because objects of 20,000
 * entries take longer than to ask the files.
 * @param read the text of a node; one that is missing may hold anything
 */
export function mayHaveXattrs(
  read: (digest: TreeDigest) => string | undefined,
  digest: TreeDigest,
): boolean {
  const text = read(digest);
  // A list in an entry is that of its attributes, empty or not; a name may look like one.
  if (text === undefined || text.includes(',[[') || DEVICE.test(text)) return true;
  return [...text.matchAll(SUBTREE)].some(([, below]) => mayHaveXattrs(read, below as TreeDigest));
}

/** A device in a node's text, which may be a mark (see device-marks.ts). */
const DEVICE = /^\[{1,2}"[cb]",/m;

/** A device, fifo or socket in a node's text. */
const SPECIAL = /^\[{1,2}"[cbps]",/m;

/**
 * Is there nothing below a node but files, links and directories, none with extended attributes? Whiteouts
 * are devices.
 * @param read the text of a node; one that is missing may hold anything
 */
export function isPlainTree(
  read: (digest: TreeDigest) => string | undefined,
  digest: TreeDigest,
): boolean {
  const text = read(digest);
  if (text === undefined || text.includes(',[[') || SPECIAL.test(text)) return false;
  return [...text.matchAll(SUBTREE)].every(([, below]) => isPlainTree(read, below as TreeDigest));
}

/** One difference between two trees; `path` is relative to their roots. */
export type TreeChange =
  | { readonly change: 'added'; readonly path: string; readonly after: TreeEntry }
  | { readonly change: 'removed'; readonly path: string; readonly before: TreeEntry }
  | {
      readonly change: 'changed';
      readonly path: string;
      readonly before: TreeEntry;
      readonly after: TreeEntry;
    };

/** Do two entries describe the same thing, their names left aside? */
export function sameEntry(a: TreeEntry, b: TreeEntry): boolean {
  return encodeEntry({ ...a, name: '' }) === encodeEntry({ ...b, name: '' });
}

/** The differences between two trees, in path order; equal subtrees are not entered. */
export function* diffTrees(
  read: TreeReader,
  before: TreeDigest | undefined,
  after: TreeDigest | undefined,
  prefix = '',
): Generator<TreeChange> {
  if (before === after) return;
  const old = new Map((before ? read(before) : []).map((entry) => [entry.name, entry]));
  const now = new Map((after ? read(after) : []).map((entry) => [entry.name, entry]));
  for (const name of [...new Set([...old.keys(), ...now.keys()])].sort()) {
    const a = old.get(name);
    const b = now.get(name);
    const path = prefix + name;
    if (!a && b) yield { change: 'added', path, after: b };
    else if (a && !b) yield { change: 'removed', path, before: a };
    else if (a && b && !sameEntry(a, b)) {
      const bothDirs = a.type === 'dir' && b.type === 'dir';
      // A directory whose files changed is not itself a change; one whose mode changed is.
      if (!bothDirs || !sameEntry(a, { ...b, digest: a.digest } as TreeEntry)) {
        yield { change: 'changed', path, before: a, after: b };
      }
    }
    const oldTree = a?.type === 'dir' ? a.digest : undefined;
    const newTree = b?.type === 'dir' ? b.digest : undefined;
    yield* diffTrees(read, oldTree, newTree, `${path}/`);
  }
}

/** Every entry below a node, parents before their children. */
export function* walkTree(
  read: TreeReader,
  digest: TreeDigest,
  prefix = '',
): Generator<{ readonly path: string; readonly entry: TreeEntry }> {
  for (const entry of read(digest)) {
    const path = prefix + entry.name;
    yield { path, entry };
    if (entry.type === 'dir') yield* walkTree(read, entry.digest, `${path}/`);
  }
}
