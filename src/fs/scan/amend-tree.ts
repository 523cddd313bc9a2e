/** Corrects trees for files that changed between digesting and copying. */
import type { TreeDigest } from '../../keys/digest.js';
import type { TreeEntry, TreeReader } from './tree.js';
import { encodeTree } from './tree.js';

/** Entries by their path in the tree; undefined: it was gone. */
export type TreeChanges = ReadonlyMap<string, TreeEntry | undefined>;

/** Changes by the first component of their path; those of the directory itself have no rest. */
function split(changes: TreeChanges) {
  const own = new Map<string, TreeEntry | undefined>();
  const below = new Map<string, Map<string, TreeEntry | undefined>>();
  for (const [path, entry] of changes) {
    const slash = path.indexOf('/');
    if (slash === -1) own.set(path, entry);
    else {
      const name = path.slice(0, slash);
      const inside = below.get(name) ?? new Map<string, TreeEntry | undefined>();
      below.set(name, inside.set(path.slice(slash + 1), entry));
    }
  }
  return { own, below };
}

/**
 * Replaces entries of a tree, and removes those that were gone.
 * @param write keeps a node that is new
 * @returns the digest of the tree with the changes
 */
export function amendTree(
  read: TreeReader,
  write: (digest: TreeDigest, text: string) => void,
  tree: TreeDigest,
  changes: TreeChanges,
): TreeDigest {
  if (changes.size === 0) return tree;
  const { own, below } = split(changes);
  const entries = read(tree).flatMap((entry): TreeEntry[] => {
    if (own.has(entry.name)) {
      const now = own.get(entry.name);
      return now ? [now] : [];
    }
    const inside = below.get(entry.name);
    if (inside === undefined || entry.type !== 'dir') return [entry];
    return [{ ...entry, digest: amendTree(read, write, entry.digest, inside) }];
  });
  const { digest, text } = encodeTree(entries);
  write(digest, text);
  return digest;
}
