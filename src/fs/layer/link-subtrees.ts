/**
 * Hard-links whole directories of a former layer, by wiac-sys: its threads link several times as fast
 * as this one could, and nothing is kept in memory for each file.
 */
import { availableParallelism } from 'node:os';
import type { TreeDigest } from '../../keys/digest.js';
import { linkTrees } from '../../native/transfer-files.js';
import { removeTree } from '../remove-tree.js';
import type { Scanned, ScannedDirectory } from '../scan/listing.js';

/** A directory that is as it was when the former layer was made, with everything below it. */
export interface Subtree {
  /** Relative to the layer; the directory that holds it is there already. */
  readonly path: string;
  /** Relative to the selection that it is from. */
  readonly within: string;
  readonly listed: Scanned & { readonly directory: ScannedDirectory };
  readonly digest: TreeDigest;
}

/** Fewer files than this are linked sooner than a request is made. */
const MIN_FILES = 300;

/** The directory itself counted. */
function countEntries({ names, subdirectories }: ScannedDirectory): number {
  let entries = names.length + 1 - subdirectories.size;
  for (const below of subdirectories.values()) entries += countEntries(below);
  return entries;
}

const entriesOf = ({ listed }: Subtree) => countEntries(listed.directory);

/** Are there enough files in them? */
export function areWorthLinking(subtrees: readonly Subtree[]): boolean {
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

/**
 * Links subtrees of a former layer into a new one; their directories have the former's attributes.
 * @returns those that could not be linked, of which nothing is in the new layer: a file has as many
 *   links as the file system allows, or the former layer was removed meanwhile
 * @throws IsolationError
 */
export async function linkSubtrees(
  former: string,
  layer: string,
  subtrees: readonly Subtree[],
): Promise<Subtree[]> {
  const link = async (share: Share): Promise<Subtree[]> => {
    const paths = share.subtrees.map(({ subtree }) => subtree.path);
    const linked = await linkTrees(former, layer, paths);
    // Of a layer that is being removed a part may be there.
    const failed = share.subtrees.filter(
      ({ entries }, index) => !linked[index]?.done || linked[index]?.entries !== entries,
    );
    return failed.map(({ subtree }) => subtree);
  };
  const failed = (await Promise.all(shareOut(subtrees).map(link))).flat();
  for (const { path } of failed) removeTree(`${layer}/${path}`);
  return failed;
}
