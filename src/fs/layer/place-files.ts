/**
 * Where the files of a COPY go in its layer: directories are made, what a former layer has is
 * linked, and what is left is noted for copying.
 */
import { join } from 'node:path';
import type { TreeDigest } from '../../keys/digest.js';
import type { SelectionInput } from '../../keys/inputs.js';
import type { LinkGroups } from '../scan/hard-links.js';
import type { Scanned, ScannedDirectory } from '../scan/listing.js';
import type { TreeEntry, TreeReader } from '../scan/tree.js';
import { isPlainTree, mayHaveXattrs } from '../scan/tree.js';
import type { Selection } from '../select/select.js';
import { pathBelow } from '../tree-path.js';
import type { EntryAttributes } from '../write.js';
import { setDirectory, setDirectoryTime } from '../write.js';
import type { CopyRequest, FileCopy, Job } from './copy-job.js';
import {
  ancestorDirectories,
  goesIntoDirectory,
  targetDirectories,
  targetPath,
} from './copy-target.js';
import { ancestorXattrs, mergeXattrs } from './destination.js';
import { canLinkFrom, haveOneName } from './linkable.js';
import { ensureDirectory, makeDirectories, placeEntry } from './place-entry.js';
import type { Subtree, SubtreeSource } from './place-subtrees.js';
import { areWorthPlacing, isTooLarge, placeWhole } from './place-subtrees.js';

/** What becomes of a subdirectory that a layer has as a whole; without it each of its files is placed. */
type OnWhole = ((subtree: Subtree) => void) | undefined;

/** A directory of the sources beside that of the former layer. */
interface Comparison {
  readonly now: (name: string) => TreeEntry | undefined;
  readonly before: (name: string) => TreeEntry | undefined;
  /** Equal digest, mode, owner and attributes; of nothing that is not in both. */
  readonly isSame: (name: string) => boolean;
}

/** Reads the trees when they are asked for: for a directory that is the same they may never be asked for. */
function compare(read: TreeReader, now: TreeDigest, before: TreeDigest | undefined): Comparison {
  const entriesFor = (tree: TreeDigest | undefined) => {
    let entries: ReadonlyMap<string, TreeEntry> | undefined;
    return (name: string) => {
      entries ??= new Map((tree === undefined ? [] : read(tree)).map((one) => [one.name, one]));
      return entries.get(name);
    };
  };
  const [nowOf, beforeOf] = [entriesFor(now), entriesFor(before)];
  return {
    now: nowOf,
    before: now === before ? nowOf : beforeOf,
    isSame: (name) => {
      if (now === before) return true;
      const [a, b] = [nowOf(name), beforeOf(name)];
      // The order of the lists in them is that of the encoding.
      return a !== undefined && b !== undefined && JSON.stringify(a) === JSON.stringify(b);
    },
  };
}

/** A selection while its files are placed. */
interface Placing {
  readonly job: Job;
  readonly selection: number;
  /** Path in the layer of the selection's own directory. */
  readonly target: string;
  /** For each path of a hard link the first path of its group; those come first. */
  readonly first: ReadonlyMap<string, string>;
  readonly onWhole: OnWhole;
}

function directoryAttributes(job: Job, { stats }: Scanned): EntryAttributes {
  const { owner, ownership, chmod } = job.request;
  const { uid, gid } = owner ?? (ownership === 'keep' ? stats : { uid: 0, gid: 0 });
  return { mode: chmod ? chmod(stats.mode, true) : stats.mode, uid, gid };
}

function placeSubdirectory(
  placing: Placing,
  { path, listed, digest, within, xattrs }: Omit<Subtree, 'from'>,
  former: TreeDigest | undefined,
): void {
  const { job } = placing;
  ensureDirectory(job, path);
  placeDirectory(placing, listed.directory, within, digest, former);
  // What one source has a directory for is as old as that, no matter which source made it first.
  job.made.delete(path);
  if (xattrs.length > 0)
    job.directoryXattrs.set(path, mergeXattrs(job.directoryXattrs.get(path), xattrs));
  job.finish.push(() => {
    const directory = job.target.at(path);
    setDirectory(directory, directoryAttributes(job, listed));
    setDirectoryTime(directory, listed.stats.mtimeMs);
  });
}

/** What is to be copied where a file is not linked. */
function getCopy(
  { selection, target, first }: Placing,
  file: Scanned,
  entry: TreeEntry | undefined,
  within: string,
): FileCopy | undefined {
  if (!entry || entry.type === 'dir') return undefined;
  const leader = first.get(within);
  const sameAs = leader === undefined || leader === within ? undefined : pathBelow(target, leader);
  return { file, entry, selection, within, sameAs, alone: leader === undefined };
}

/** Which layer has a subdirectory as it is to be here? */
function findWhole(
  { job }: Placing,
  { path, listed, digest, xattrs }: Omit<Subtree, 'from'>,
  isSame: boolean,
  former: TreeEntry | undefined,
): SubtreeSource | undefined {
  const { request } = job;
  // Directories that are placed as a whole get none.
  if (xattrs.length > 0) return undefined;
  if (isSame && request.former && !mayHaveXattrs(job.text, digest))
    return { root: request.former.path, path, how: 'link' };
  const { whole } = listed.directory;
  if (whole?.tree !== digest || request.owner || request.chmod) return undefined;
  if (!isPlainTree(job.text, digest)) return undefined;
  const from = { root: whole.root, path: listed.directory.path };
  if (from.path === path && haveOneName(listed.directory) && canLinkFrom(job, whole.root))
    return { ...from, how: 'link' };
  // Most of it may be linked from the former layer.
  return former?.type === 'dir' || isTooLarge(listed.directory)
    ? undefined
    : { ...from, how: 'copy' };
}

/** Places a directory's entries; `onWhole` takes subdirectories of which a layer has all. */
function placeDirectory(
  placing: Placing,
  directory: ScannedDirectory,
  inside: string,
  now: TreeDigest,
  former: TreeDigest | undefined,
): void {
  const { job, target, first, onWhole } = placing;
  const { now: getEntry, before, isSame } = compare(job.read, now, former);
  // Nothing to be linked, and no other source has a file for one of these paths.
  const together = former === undefined && first.size === 0 && job.request.selections.length === 1;
  if (together) {
    const path = pathBelow(target, inside);
    job.filled.push({ path, directory, digest: now, selection: placing.selection, within: inside });
  }
  for (const child of directory.getChildren((kind) => !together || kind !== 'file')) {
    const { name } = child;
    const within = pathBelow(inside, name);
    const path = pathBelow(target, within);
    if (!child.directory) {
      const copy = () => getCopy(placing, child, getEntry(name), within);
      placeEntry(job, path, copy, child, !first.has(within) && isSame(name));
      continue;
    }
    const entry = getEntry(name);
    // What is not in the tree was gone when it was digested.
    if (entry?.type !== 'dir') continue;
    const listed = { ...child, directory: child.directory };
    const { digest, xattrs } = entry;
    const subtree = { path, within, listed, digest, xattrs };
    const old = before(name);
    const from = onWhole && findWhole(placing, subtree, isSame(name), old);
    if (from) onWhole({ ...subtree, from });
    else placeSubdirectory(placing, subtree, old?.type === 'dir' ? old.digest : undefined);
  }
}

function placeFile(
  job: Job,
  selection: Selection,
  index: number,
  former: TreeDigest | undefined,
): void {
  const [file] = selection.files.getChildren();
  const [entry] = job.read(selection.tree);
  if (!file || !entry) return;
  const into = goesIntoDirectory(job.request, selection);
  if (into) makeDirectories(job, targetDirectories(job.request, selection));
  const target = targetPath(job.request, selection);
  const path = into ? join(target, selection.name) : job.request.destination.path;
  const within = entry.name;
  const alone = true;
  const copy = () => ({ file, entry, selection: index, within, sameAs: undefined, alone });
  placeEntry(job, path, copy, file, former !== undefined && selection.tree === former);
}

/** The first path of each group of hard links, by every path of the group. */
function leaders(groups: LinkGroups | undefined): Map<string, string> {
  const first = new Map<string, string>();
  for (const group of groups ?? []) {
    const [leader = ''] = group;
    for (const path of group) first.set(path, leader);
  }
  return first;
}

/**
 * What the former layer has where a selection's files go. Wildcards may have found other sources then: the one
 * in the same place of the list went below another directory, or was a file that got the destination's name.
 */
function formerSelection(
  { former }: CopyRequest,
  { kind, below }: Selection,
  index: number,
): SelectionInput | undefined {
  const before = former?.selections[index];
  return before?.kind === kind && before.below === below ? before : undefined;
}

/**
 * Where hard links are concerned, a former layer must not decide which names are one file: then no
 * directory is linked as a whole, and none of these files alone.
 */
function getPlacing(job: Job, selection: Selection, index: number, onWhole: OnWhole): Placing {
  const before = formerSelection(job.request, selection, index);
  const first = leaders([...(before?.links ?? []), ...(selection.links ?? [])]);
  const now = leaders(selection.links);
  for (const path of first.keys()) first.set(path, now.get(path) ?? path);
  const target = targetPath(job.request, selection);
  return { job, selection: index, target, first, onWhole: first.size > 0 ? undefined : onWhole };
}

/**
 * Places the subtrees as a whole where they are worth a request; else file by file.
 * @returns false when files were noted for copying
 */
export async function placeSubtrees(
  job: Job,
  found: readonly Subtree[],
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const failed = areWorthPlacing(found) ? await placeWhole(job.layer, found, signal) : found;
  const placed = new Set(found);
  for (const subtree of failed) placed.delete(subtree);
  job.subtrees.push(...placed);
  const [selection] = job.request.selections;
  if (!selection || failed.length === 0) return true;
  const placing = getPlacing(job, selection, 0, undefined);
  const former = job.request.former?.path;
  for (const subtree of failed)
    placeSubdirectory(placing, subtree, subtree.from.root === former ? subtree.digest : undefined);
  return false;
}

/**
 * Places everything that is selected: directories are made, what the former layer has is linked,
 * the rest is noted in `job.copies` and `job.filled`.
 * @returns directories that another layer has as a whole, for placeSubtrees
 * @throws ContextError when names collide, and the file system's errors
 */
export function placeSelections(job: Job): Subtree[] {
  const { selections } = job.request;
  makeDirectories(job, ancestorDirectories(job.request));
  if (selections.length > 0) {
    for (const [path, xattrs] of ancestorXattrs(job.request.destination))
      job.directoryXattrs.set(path, xattrs);
  }
  const { shared } = job.request.destination;
  for (const { path, xattrs } of shared ?? []) job.directoryXattrs.set(path, xattrs);
  // Of several sources two may have the same directory; and what is shared is no other layer's as it is.
  const whole: Subtree[] = [];
  const onWhole = selections.length === 1 && !shared ? whole.push.bind(whole) : undefined;
  for (const [index, selection] of selections.entries()) {
    const before = formerSelection(job.request, selection, index)?.tree;
    if (selection.kind === 'directory') {
      makeDirectories(job, targetDirectories(job.request, selection));
      const placing = getPlacing(job, selection, index, onWhole);
      placeDirectory(placing, selection.files, '', selection.tree, before);
    } else placeFile(job, selection, index, before);
  }
  return whole;
}
