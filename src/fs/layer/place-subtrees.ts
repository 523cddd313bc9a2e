/**
 * Links or copies whole directories of another layer, by wiac-sys: its threads do that several times as
 * fast as this one could, and nothing is kept in memory for each file.
 */
import { availableParallelism } from 'node:os';
import type { TreeDigest } from '../../keys/digest.js';
import { placeTrees } from '../../native/transfer-files.js';
import { removeTree } from '../remove-tree.js';
import type { Scanned, ScannedDirectory } from '../scan/listing.js';
import { countListed } from '../scan/listing.js';
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
function countEntries({ count, subdirectories }: ScannedDirectory): number {
  let entries = count + 1 - subdirectories.size;
  for (const below of subdirectories.values()) entries += countEntries(below);
  return entries;
}

const entriesOf = ({ listed }: Subtree) => countEntries(listed.directory);

/** Are there enough files in them? */
export function areWorthPlacing(subtrees: readonly Subtree[]): boolean {
  return subtrees.reduce((sum, subtree) => sum + entriesOf(subtree), 0) >= MIN_FILES;
}

/** What one request copies at most: a signal is heeded between two of them. */
const LARGE_BYTES = 128 << 20;

/** Is a directory more than one request should copy? */
export function isTooLarge(directory: ScannedDirectory): boolean {
  return countListed(directory).bytes > LARGE_BYTES;
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

/** What is placed at once. */
function* requestsOf({ subtrees }: Share): Generator<Share['subtrees']> {
  let first = 0;
  let bytes = 0;
  for (const [index, { subtree }] of subtrees.entries()) {
    if (subtree.from.how === 'copy') bytes += countListed(subtree.listed.directory).bytes;
    if (bytes < LARGE_BYTES) continue;
    yield subtrees.slice(first, index + 1);
    first = index + 1;
    bytes = 0;
  }
  if (first < subtrees.length) yield subtrees.slice(first);
}

/** @returns those that could not be placed */
async function placeAtOnce(layer: string, subtrees: Share['subtrees']): Promise<Subtree[]> {
  const [first] = subtrees;
  if (!first) return [];
  const { how, root } = first.subtree.from;
  const paths = subtrees.map(({ subtree: { from, path } }) => ({ from: from.path, into: path }));
  const placed = await placeTrees(how, root, layer, paths);
  // Of a layer that is being removed a part may be there.
  const failed = subtrees.filter(
    ({ entries }, index) => !placed[index]?.done || placed[index]?.entries !== entries,
  );
  return failed.map(({ subtree }) => subtree);
}

/**
 * Places subtrees in a new layer; their directories have the attributes that they have in the other one.
 * @returns those that could not be placed, of which nothing is in the new layer: a file has as many
 *   links as the file system allows, or the other layer was removed meanwhile
 * @throws IsolationError, the signal's reason; nothing is written any more then
 */
export async function placeWhole(
  layer: string,
  subtrees: readonly Subtree[],
  signal?: AbortSignal,
): Promise<Subtree[]> {
  const place = async (share: Share): Promise<Subtree[]> => {
    const failed: Subtree[] = [];
    for (const request of requestsOf(share)) {
      signal?.throwIfAborted();
      failed.push(...(await placeAtOnce(layer, request)));
    }
    return failed;
  };
  const ended = await Promise.allSettled(bySource(subtrees).flatMap(shareOut).map(place));
  const failed = ended.flatMap((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
  for (const { path } of failed) removeTree(`${layer}/${path}`);
  return failed;
}
