/** Trees that are in memory only, for tests of pure functions. */
import type { TreeEntry, TreeReader } from '../../src/fs/scan/tree.js';
import { byName, decodeTree, encodeTree, walkTree } from '../../src/fs/scan/tree.js';
import type { FileDigest, TreeDigest } from '../../src/keys/digest.js';
import { sha256 } from '../../src/util/canonical-json.js';
import { StoreError } from '../../src/util/errors.js';

/** A text is a file with that content; a number beside it is its mode. */
export type Files = { readonly [name: string]: string | readonly [string, number] | Files };

const OWNER = { uid: 0, gid: 0, xattrs: [] };

export interface MemoryTrees {
  readonly read: TreeReader;
  /** The text of a node; undefined when it is not there. */
  readonly text: (digest: TreeDigest) => string | undefined;
  readonly write: (digest: TreeDigest, text: string) => void;
  readonly add: (files: Files) => TreeDigest;
  /** `path mode content digest` of all entries; of directories only the mode. */
  readonly list: (tree: TreeDigest) => string[];
}

export function fileEntry(name: string, content: string, mode = 0o644): TreeEntry {
  const digest = sha256(content) as FileDigest;
  return { type: 'file', name, mode, ...OWNER, digest, size: content.length };
}

export function memoryTrees(): MemoryTrees {
  const nodes = new Map<TreeDigest, string>();
  const write = (digest: TreeDigest, text: string) => void nodes.set(digest, text);
  const read: TreeReader = (digest) => {
    const text = nodes.get(digest);
    if (text === undefined) throw new StoreError(`the store lacks tree ${digest}`);
    return decodeTree(text);
  };
  const add = (files: Files): TreeDigest => {
    const entries = Object.entries(files).map(([name, value]): TreeEntry => {
      if (typeof value === 'string') return fileEntry(name, value);
      if (Array.isArray(value)) return fileEntry(name, ...(value as [string, number]));
      return { type: 'dir', name, mode: 0o755, ...OWNER, digest: add(value as Files) };
    });
    const { digest, text } = encodeTree(entries.sort(byName));
    write(digest, text);
    return digest;
  };
  const list = (tree: TreeDigest) =>
    [...walkTree(read, tree)].map(({ path, entry }) => {
      const content = entry.type === 'file' ? ` ${entry.digest.slice(0, 8)}` : '/';
      return `${path} ${entry.mode.toString(8)} ${entry.uid}:${entry.gid}${content}`;
    });
  return { read, text: (digest) => nodes.get(digest), write, add, list };
}
