/**
 * Where the files of a COPY go in its layer: directories are made, what a former layer has is
 * linked, and what is left is noted for copying.
 */
import { chmodSync, existsSync, lchownSync, linkSync, lutimesSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Scanned, ScannedDirectory } from '../context/listing.js';
import type { Selection } from '../context/select.js';
import type { TreeEntry, TreeReader } from '../context/tree.js';
import { ContextError } from '../errors.js';
import { fileTime } from '../file-time.js';
import type { TreeDigest } from '../keys/digest.js';
import type { Job } from './copy-job.js';
import type { Subtree } from './link-subtrees.js';
import { largeGroups, linkSubtrees } from './link-subtrees.js';
import type { Owner } from './users.js';

/** What becomes of a subdirectory that is unchanged; without it each of its files is placed. */
type OnSame = ((subtree: Subtree) => void) | undefined;

const NEW_DIRECTORY_MODE = 0o755;

interface Attributes extends Owner {
  readonly mode: number;
}

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

/** Makes a directory of the layer if it is not there. */
function ensureDirectory(job: Job, path: string): string {
  const target = join(job.layer, path);
  if (job.copies.has(path) || job.links.has(path)) refuseOverlap(job, path);
  if (!job.directories.has(path)) mkdirSync(target, { recursive: true });
  job.directories.add(path);
  return target;
}

/** Makes a directory that is not itself copied; its attributes come last, cp may change them. */
function makeDirectory(job: Job, path: string, attributes: Attributes): void {
  const target = ensureDirectory(job, path);
  job.made.add(path);
  job.finish.push(() => {
    lchownSync(target, attributes.uid, attributes.gid);
    chmodSync(target, attributes.mode);
  });
}

/** The directories above the destination, with the attributes that the layers below have. */
function makeAncestors(job: Job): void {
  const { owner, destination } = job.request;
  const { uid, gid } = owner ?? { uid: 0, gid: 0 };
  for (const { path, existing } of destination.ancestors) {
    makeDirectory(job, path, existing ?? { mode: NEW_DIRECTORY_MODE, uid, gid });
  }
}

/** Where a selection goes: the destination, with --parents a directory below it. */
function targetDirectory(job: Job, selection: Selection): string {
  return join(job.request.destination.path, selection.below).replace(/^\.$/, '');
}

/** The directory that a source directory's content goes into, or several files go into. */
function makeTargetDirectory(job: Job, selection: Selection): void {
  const { destination, owner, chmod } = job.request;
  const { uid, gid } = owner ?? selection.directory ?? { uid: 0, gid: 0 };
  const target = targetDirectory(job, selection);
  const components = target === '' ? [] : target.split('/');
  for (const [index] of components.entries()) {
    const path = components.slice(0, index + 1).join('/');
    const known = destination.kind === 'directory' && path === destination.path;
    if (known || existsSync(join(job.layer, path))) continue;
    const last = path === target;
    const mode = (last ? selection.directory?.mode : undefined) ?? NEW_DIRECTORY_MODE;
    makeDirectory(job, path, {
      mode: chmod && last && selection.directory ? chmod(mode, true) : mode,
      uid,
      gid,
    });
  }
}

/** Gives a file the owner and mode that the instruction asks for. */
export function applyAttributes(job: Job, file: Scanned, target: string): void {
  const { owner, ownership, chmod } = job.request;
  const { stats } = file;
  const isDirectory = stats.kind === 'dir';
  const newOwner = owner ?? (ownership === 'keep' && isDirectory ? stats : undefined);
  if (newOwner) lchownSync(target, newOwner.uid, newOwner.gid);
  if (stats.kind === 'symlink') return;
  const { mode } = stats;
  // chown clears setuid and setgid, so that the mode comes after it.
  if (chmod || newOwner || isDirectory) chmodSync(target, chmod ? chmod(mode, isDirectory) : mode);
}

function linkFormer(job: Job, file: Scanned, relativePath: string): boolean {
  const { former } = job.request;
  if (!former) return false;
  try {
    // Both are clean paths: join() would look at each character of both again.
    linkSync(`${former.path}/${relativePath}`, `${job.layer}/${relativePath}`);
    job.links.set(relativePath, file);
    return true;
  } catch (error) {
    // EMLINK: ext4 allows 65,000 links to a file; ENOENT: the former layer was removed meanwhile.
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EMLINK' || code === 'ENOENT' || code === 'EXDEV') return false;
    throw error;
  }
}

/** Puts a file into the layer: linked when it is unchanged, else noted for copying. */
function placeEntry(job: Job, file: Scanned, path: string, unchanged: boolean): void {
  if (job.directories.has(path)) refuseOverlap(job, path);
  if (unchanged && linkFormer(job, file, path)) return;
  job.copies.set(path, file);
}

function entriesByName(read: TreeReader, tree: TreeDigest | undefined): Map<string, TreeEntry> {
  return new Map((tree === undefined ? [] : read(tree)).map((entry) => [entry.name, entry]));
}

/** Equal digest, mode, owner and attributes; the order of these lists is that of the encoding. */
function equalEntries(a: TreeEntry | undefined, b: TreeEntry | undefined): boolean {
  return a !== undefined && b !== undefined && JSON.stringify(a) === JSON.stringify(b);
}

function placeSubdirectory(
  job: Job,
  { path, listed, digest }: Subtree,
  former: TreeDigest | undefined,
  onSame: OnSame,
): void {
  const target = ensureDirectory(job, path);
  placeDirectory(job, listed.directory, path, digest, former, onSame);
  // What one source has a directory for is as old as that, whoever made it first.
  job.made.delete(path);
  job.finish.push(() => {
    applyAttributes(job, listed, target);
    const time = fileTime(listed.stats.mtimeMs / 1000);
    lutimesSync(target, time, time);
  });
}

/** Places a directory's entries; `onSame` takes subdirectories of which the former has all. */
function placeDirectory(
  job: Job,
  directory: ScannedDirectory,
  relativePath: string,
  now: TreeDigest,
  former: TreeDigest | undefined,
  onSame: OnSame,
): void {
  const same = now === former;
  const newEntries = same ? undefined : entriesByName(job.read, now);
  const oldEntries = same ? undefined : entriesByName(job.read, former);
  const subtrees = directory.children.some((child) => child.directory)
    ? entriesByName(job.read, now)
    : undefined;
  for (const child of directory.children) {
    const path = relativePath === '' ? child.name : `${relativePath}/${child.name}`;
    const before = oldEntries?.get(child.name);
    const entry = subtrees?.get(child.name);
    if (child.directory && entry?.type === 'dir') {
      const { digest } = entry;
      const subtree = { path, listed: { ...child, directory: child.directory }, digest };
      const unchanged = same || equalEntries(entry, before);
      if (unchanged && onSame) onSame(subtree);
      else {
        const oldDigest = same ? digest : before?.type === 'dir' ? before.digest : undefined;
        placeSubdirectory(job, subtree, oldDigest, onSame);
      }
      continue;
    }
    const unchanged = same || equalEntries(newEntries?.get(child.name), before);
    placeEntry(job, child, path, unchanged);
  }
}

function placeFile(job: Job, selection: Selection, former: TreeDigest | undefined): void {
  const { destination, intoDirectory } = job.request;
  const [file] = selection.files.children;
  if (!file) return;
  const into =
    intoDirectory ||
    destination.kind === 'directory' ||
    destination.path === '' ||
    selection.below !== '';
  if (into) makeTargetDirectory(job, selection);
  const path = into ? join(targetDirectory(job, selection), selection.name) : destination.path;
  placeEntry(job, file, path, former !== undefined && selection.tree === former);
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
  for (const subtree of found)
    if (!linked.has(subtree)) placeSubdirectory(job, subtree, subtree.digest, undefined);
}

/**
 * Places everything that is selected: directories are made, what the former layer has is linked,
 * the rest is noted in `job.copies`.
 * @returns directories that the former layer has as a whole, for placeSubtrees
 * @throws ContextError when names collide, and the file system's errors
 */
export function placeSelections(job: Job): Subtree[] {
  const { selections, former } = job.request;
  makeAncestors(job);
  // Of several sources two may have the same directory.
  const whole: Subtree[] = [];
  const onSame = former && selections.length === 1 ? whole.push.bind(whole) : undefined;
  for (const [index, selection] of selections.entries()) {
    const before = former?.selections[index]?.tree;
    if (selection.kind === 'directory') {
      makeTargetDirectory(job, selection);
      const target = targetDirectory(job, selection);
      placeDirectory(job, selection.files, target, selection.tree, before, onSame);
    } else placeFile(job, selection, before);
  }
  return whole;
}
