/**
 * Links or copies whole directories of another layer, by wiac-sys: its threads do that several times as
 * fast as this one could, and nothing is kept in memory for each file.
 */
import { availableParallelism } from 'node:os';
import type { TreeDigest } from '../../keys/digest.js';
import { placeTrees } from '../../native/transfer-files.js';
import { removeTree } from '../remove-tree.js';
import type { Scanned, ScannedDirectory } from '../scan/listing.js';
import type { TreeEntry } from '../scan/tree.js';

/** A directory that another layer has with everything that is below it, and with nothing else. */
export interface Subtree {
  /** Relative to the layer; the directory that holds it is there already. */
  readonly path: string;
  /** Relative to the selection that it is from. */
  readonly within: string;
  readonly listed: Scanned & { readonly directory: ScannedDirectory };
  readonly digest: TreeDigest;
  /** Of the directory itself. */
  readonly xattrs: TreeEntry['xattrs'];
  readonly from: SubtreeSource;
}

/** A layer that has the same directory. */
export interface SubtreeSource {
  /** Trusted path of the layer; `path` is relative to it. */
  readonly root: string;
  readonly path: string;
  readonly how: 'link' | 'copy';
}

/** Fewer files than this are placed sooner than a request is made. */
const MIN_FILES = 300;

/** The directory itself counted. */
function countEntries({ names, subdirectories }: ScannedDirectory): number {
  let entries = names.length + 1 - subdirectories.size;
  for (const below of subdirectories.values()) entries += countEntries(below);
  return entries;
}

const entriesOf = ({ listed }: Subtree) => countEntries(listed.directory);

/** Are there enough files in them? */
export function areWorthPlacing(subtrees: readonly Subtree[]): boolean {
  return subtrees.reduce((sum, subtree) => sum + entriesOf(subtree), 0) >= MIN_FILES;
}

/** A part of the subtrees. */
interface Share {
  readonly subtrees: { readonly subtree: Subtree; readonly entries: number }[];
  entries: number;
}

/** About as many files for each thread. */
function shareOut(subtrees: readonly Subtree[]): Share[] {
  const shares = Array.from(
    { length: availableParallelism() },
    (): Share => ({ subtrees: [], entries: 0 }),
  );
  for (const subtree of subtrees) {
    const entries = entriesOf(subtree);
    const least = shares.reduce((a, b) => (b.entries < a.entries ? b : a));
    least.subtrees.push({ subtree, entries });
    least.entries += entries;
  }
  return shares.filter((share) => share.subtrees.length > 0);
}

/** Subtrees by what one request can have. */
function bySource(subtrees: readonly Subtree[]): Subtree[][] {
  const sources = new Map<string, Subtree[]>();
  for (const subtree of subtrees) {
    const { root, how } = subtree.from;
    const same = sources.get(`${how} ${root}`);
    if (same) same.push(subtree);
    else sources.set(`${how} ${root}`, [subtree]);
  }
  return [...sources.values()];
}

/**
 * Places subtrees in a new layer; their directories have the attributes that they have in the other one.
 * @returns those that could not be placed, of which nothing is in the new layer: a file has as many
 *   links as the file system allows, or the other layer was removed meanwhile
 * @throws IsolationError
 */
export async function placeWhole(layer: string, subtrees: readonly Subtree[]): Promise<Subtree[]> {
  const place = async (share: Share): Promise<Subtree[]> => {
    const [first] = share.subtrees;
    if (!first) return [];
    const { how, root } = first.subtree.from;
    const paths = share.subtrees.map(({ subtree: { from, path } }) => ({
      from: from.path,
      into: path,
    }));
    const placed = await placeTrees(how, root, layer, paths);
    // Of a layer that is being removed a part may be there.
    const failed = share.subtrees.filter(
      ({ entries }, index) => !placed[index]?.done || placed[index]?.entries !== entries,
    );
    return failed.map(({ subtree }) => subtree);
  };
  const ended = await Promise.allSettled(bySource(subtrees).flatMap(shareOut).map(place));
  const failed = ended.flatMap((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
  for (const { path } of failed) removeTree(`${layer}/${path}`);
  return failed;
}
