/** Entries of a tree by their path. */
import { basename } from 'node:path';
import type { TreeDigest } from '../../keys/digest.js';
import { parentPath } from '../tree-path.js';
import type { TreeEntry } from './tree.js';
import { decodeTree } from './tree.js';

type Entries = ReadonlyMap<string, TreeEntry>;

/**
 * Looks entries up; each directory's node is decoded once.
 * @param read the text of a node; undefined where it is not known any more
 * @returns undefined for a path that is not in the tree, or has an unknown node on the way
 */
export function treeLookup(
  read: (digest: TreeDigest) => string | undefined,
  tree: TreeDigest,
): (path: string) => TreeEntry | undefined {
  const decoded = (digest: TreeDigest): Entries => {
    const entries = decodeTree(read(digest) ?? '[]');
    return new Map(entries.map((entry) => [entry.name, entry]));
  };
  const directories = new Map<string, Entries | undefined>();
  const directoryAt = (path: string): Entries | undefined => {
    if (!directories.has(path)) {
      const entry = path === '' ? undefined : find(path);
      const digest = path === '' ? tree : entry?.type === 'dir' ? entry.digest : undefined;
      directories.set(path, digest === undefined ? undefined : decoded(digest));
    }
    return directories.get(path);
  };
  const find = (path: string): TreeEntry | undefined => {
    return directoryAt(parentPath(path))?.get(basename(path));
  };
  return find;
}
