/**
 * Where the files of a COPY go in its layer: directories are made, what a former layer has is
 * linked, and what is left is noted for copying.
 */
import { basename, join } from 'node:path';
import type { TreeDigest } from '../../keys/digest.js';
import { ContextError } from '../../util/errors.js';
import type { LinkGroups } from '../scan/hard-links.js';
import type { Scanned, ScannedDirectory } from '../scan/listing.js';
import type { TreeEntry, TreeReader } from '../scan/tree.js';
import type { Selection } from '../select/select.js';
import { parentPath, pathBelow } from '../tree-path.js';
import type { EntryAttributes } from '../write.js';
import { ensureEntry, linkEntry, removeEntry, setDirectory, setDirectoryTime } from '../write.js';
import type { FileCopy, Job } from './copy-job.js';
import type { NewDirectory } from './copy-target.js';
import {
  ancestorDirectories,
  goesIntoDirectory,
  targetDirectories,
  targetPath,
} from './copy-target.js';
import type { Subtree } from './link-subtrees.js';
import { largeGroups, linkSubtrees } from './link-subtrees.js';

/** What becomes of a subdirectory that is unchanged; without it each of its files is placed. */
type OnSame = ((subtree: Subtree) => void) | undefined;

/** A name can't be a directory and something else; which of the two is meant nobody can tell. */
function refuseOverlap(job: Job, path: string): never {
  throw new ContextError(
    `the sources have both a directory and a file for /${path}`,
    job.request.location,
    {
      hint: 'leave one of them out with --exclude, or copy it elsewhere',
    },
  );
}

/**
 * Makes a directory of the layer, and those above it, where they are not there.
 * @returns false when it was there
 */
function ensureDirectory(job: Job, path: string): boolean {
  if (job.copies.has(path) || job.links.has(path)) refuseOverlap(job, path);
  if (path === '' || job.directories.has(path)) return false;
  ensureDirectory(job, parentPath(path));
  job.directories.add(path);
  return ensureEntry(job.target.at(parentPath(path)), basename(path));
}

/** Makes a directory that is not itself copied; its attributes come last, when it is filled. */
function makeDirectory(job: Job, path: string, attributes: EntryAttributes): void {
  // What an archive before it has brought keeps what that says.
  if (!ensureDirectory(job, path)) return;
  job.made.add(path);
  job.finish.push(() => setDirectory(job.target.at(path), attributes));
}

function makeDirectories(job: Job, directories: readonly NewDirectory[]): void {
  for (const { path, attributes } of directories)
    if (!job.directories.has(path)) makeDirectory(job, path, attributes);
}

function linkFormer(job: Job, file: Scanned, path: string): boolean {
  const { former } = job.request;
  if (!former) return false;
  const parent = parentPath(path);
  const name = basename(path);
  try {
    linkEntry(job.sources.at(former.path, parent), name, job.target.at(parent), name);
    job.links.set(path, file);
    return true;
  } catch (error) {
    // EMLINK: ext4 allows 65,000 links to a file; ENOENT: the former layer was removed meanwhile.
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EMLINK' || code === 'ENOENT' || code === 'EXDEV') return false;
    throw error;
  }
}

/** Puts a file into the layer: linked when it is unchanged, else noted for copying. */
function placeEntry(
  job: Job,
  path: string,
  copy: () => FileCopy | undefined,
  file: Scanned,
  unchanged: boolean,
): void {
  if (job.directories.has(path)) refuseOverlap(job, path);
  if (unchanged && linkFormer(job, file, path)) return;
  const noted = copy();
  // What is not in the tree was gone when it was digested.
  if (!noted) return;
  if (job.links.delete(path)) removeEntry(job.target.at(parentPath(path)), basename(path));
  job.copies.set(path, noted);
}

function entriesByName(read: TreeReader, tree: TreeDigest | undefined): Map<string, TreeEntry> {
  return new Map((tree === undefined ? [] : read(tree)).map((entry) => [entry.name, entry]));
}

/** Remembers what a function gives. */
function once<T extends object>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** Equal digest, mode, owner and attributes; the order of these lists is that of the encoding. */
function equalEntries(a: TreeEntry | undefined, b: TreeEntry | undefined): boolean {
  return a !== undefined && b !== undefined && JSON.stringify(a) === JSON.stringify(b);
}

/** A selection while its files are placed. */
interface Placing {
  readonly job: Job;
  readonly selection: number;
  /** Path in the layer of the selection's own directory. */
  readonly target: string;
  /** For each path of a hard link the first path of its group; those come first. */
  readonly first: ReadonlyMap<string, string>;
  readonly onSame: OnSame;
}

function directoryAttributes(job: Job, { stats }: Scanned): EntryAttributes {
  const { owner, ownership, chmod } = job.request;
  const { uid, gid } = owner ?? (ownership === 'keep' ? stats : { uid: 0, gid: 0 });
  return { mode: chmod ? chmod(stats.mode, true) : stats.mode, uid, gid };
}

function placeSubdirectory(
  placing: Placing,
  { path, listed, digest, within }: Subtree,
  former: TreeDigest | undefined,
): void {
  const { job } = placing;
  ensureDirectory(job, path);
  placeDirectory(placing, listed.directory, within, digest, former);
  // What one source has a directory for is as old as that, whoever made it first.
  job.made.delete(path);
  job.finish.push(() => {
    const directory = job.target.at(path);
    setDirectory(directory, directoryAttributes(job, listed));
    setDirectoryTime(directory, listed.stats.mtimeMs);
  });
}

/** What is to be copied where a file is not linked. */
function copyOf(
  { selection, target, first }: Placing,
  file: Scanned,
  entry: TreeEntry | undefined,
  within: string,
): FileCopy | undefined {
  if (!entry || entry.type === 'dir') return undefined;
  const leader = first.get(within);
  const sameAs = leader === undefined || leader === within ? undefined : pathBelow(target, leader);
  return { file, entry, selection, within, sameAs };
}

/** Places a directory's entries; `onSame` takes subdirectories of which the former has all. */
function placeDirectory(
  placing: Placing,
  directory: ScannedDirectory,
  inside: string,
  now: TreeDigest,
  former: TreeDigest | undefined,
): void {
  const { job, target, first, onSame } = placing;
  const same = now === former;
  const newEntries = once(() => entriesByName(job.read, now));
  const oldEntries = same ? newEntries : once(() => entriesByName(job.read, former));
  for (const child of directory.children) {
    const within = pathBelow(inside, child.name);
    const path = pathBelow(target, within);
    if (child.directory) {
      const entry = newEntries().get(child.name);
      const before = oldEntries().get(child.name);
      if (entry?.type !== 'dir') continue;
      const { digest } = entry;
      const subtree = { path, within, listed: { ...child, directory: child.directory }, digest };
      if (onSame && (same || equalEntries(entry, before))) onSame(subtree);
      else placeSubdirectory(placing, subtree, before?.type === 'dir' ? before.digest : undefined);
      continue;
    }
    const unchanged =
      !first.has(within) &&
      (same || equalEntries(newEntries().get(child.name), oldEntries().get(child.name)));
    const copy = () => copyOf(placing, child, newEntries().get(child.name), within);
    placeEntry(job, path, copy, child, unchanged);
  }
}

function placeFile(
  job: Job,
  selection: Selection,
  index: number,
  former: TreeDigest | undefined,
): void {
  const [file] = selection.files.children;
  const [entry] = job.read(selection.tree);
  if (!file || !entry) return;
  const into = goesIntoDirectory(job.request, selection);
  if (into) makeDirectories(job, targetDirectories(job.request, selection));
  const target = targetPath(job.request, selection);
  const path = into ? join(target, selection.name) : job.request.destination.path;
  const copy = () => ({ file, entry, selection: index, within: entry.name, sameAs: undefined });
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
 * Where hard links are concerned, a former layer must not decide which names are one file: then no
 * directory is linked as a whole, and none of these files alone.
 */
function placingOf(job: Job, selection: Selection, index: number, onSame: OnSame): Placing {
  const before = job.request.former?.selections[index];
  const first = leaders([...(before?.links ?? []), ...(selection.links ?? [])]);
  const now = leaders(selection.links);
  for (const path of first.keys()) first.set(path, now.get(path) ?? path);
  const target = targetPath(job.request, selection);
  return { job, selection: index, target, first, onSame: first.size > 0 ? undefined : onSame };
}

/**
 * Links the subtrees that are worth a process; the others are placed file by file.
 * @param former path of the layer that has them
 */
export async function placeSubtrees(
  job: Job,
  former: string,
  found: readonly Subtree[],
): Promise<void> {
  const groups = largeGroups(found);
  const failed = groups.length === 0 ? [] : await linkSubtrees(former, job.layer, groups);
  const linked = new Set(groups.flat().filter((subtree) => !failed.includes(subtree)));
  job.subtrees.push(...linked);
  const [selection] = job.request.selections;
  if (!selection) return;
  const placing = placingOf(job, selection, 0, undefined);
  for (const subtree of found)
    if (!linked.has(subtree)) placeSubdirectory(placing, subtree, subtree.digest);
}

/**
 * Places everything that is selected: directories are made, what the former layer has is linked,
 * the rest is noted in `job.copies`.
 * @returns directories that the former layer has as a whole, for placeSubtrees
 * @throws ContextError when names collide, and the file system's errors
 */
export function placeSelections(job: Job): Subtree[] {
  const { selections, former } = job.request;
  makeDirectories(job, ancestorDirectories(job.request));
  // Of several sources two may have the same directory.
  const whole: Subtree[] = [];
  const onSame = former && selections.length === 1 ? whole.push.bind(whole) : undefined;
  for (const [index, selection] of selections.entries()) {
    const before = former?.selections[index]?.tree;
    if (selection.kind === 'directory') {
      makeDirectories(job, targetDirectories(job.request, selection));
      const placing = placingOf(job, selection, index, onSame);
      placeDirectory(placing, selection.files, '', selection.tree, before);
    } else placeFile(job, selection, index, before);
  }
  return whole;
}
