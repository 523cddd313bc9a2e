/**
 * Makes the layer of a COPY. Whatever a former layer of the same instruction already holds, same
 * content, mode, owner and attributes at the same path, is hard-linked from there: layers are
 * immutable and overlayfs copies up before any write. The rest is copied.
 */
import {
  chmodSync,
  existsSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { checkpoint } from '../checkpoint.js';
import type { Scanned, ScannedDirectory } from '../context/listing.js';
import { countListed } from '../context/listing.js';
import type { Selection } from '../context/select.js';
import type { TreeEntry, TreeReader } from '../context/tree.js';
import { walkTree } from '../context/tree.js';
import type { SourceLocation } from '../errors.js';
import { ContextError, NoSpaceError } from '../errors.js';
import type { TreeDigest } from '../keys/digest.js';
import type { SelectionInput } from '../keys/inputs.js';
import { copyFiles } from './cp.js';
import type { Destination } from './destination.js';
import type { TreeMeasures } from './disk-usage.js';
import { diskMeter } from './disk-usage.js';
import type { Subtree } from './link-subtrees.js';
import { largeGroups, linkSubtrees } from './link-subtrees.js';
import type { Owner } from './users.js';

/** What the new layer is made from. */
export interface CopyRequest {
  readonly selections: readonly Selection[];
  readonly destination: Destination;
  /** The destination as written ends in a slash, or there are several sources. */
  readonly intoDirectory: boolean;
  /** Everything gets this owner; undefined keeps what `ownership` says. */
  readonly owner: Owner | undefined;
  readonly ownership: 'root' | 'keep';
  /** New mode from the old one; undefined keeps it. */
  readonly chmod: ((mode: number, isDirectory: boolean) => number) | undefined;
  /** A layer that the same instruction made before, to link unchanged files from. */
  readonly former: FormerLayer | undefined;
  /** The instruction, for errors. */
  readonly location: SourceLocation;
}

/** A layer to link from, and what it was made from. */
export interface FormerLayer {
  readonly path: string;
  readonly selections: readonly SelectionInput[];
}

/** What was done, for the index. */
export interface CopyReport extends TreeMeasures {
  readonly linked: number;
  /** The part of `disk` that is in linked files, in whole blocks of their size. */
  readonly linkedDisk: number;
  /** Directories that stand for no directory of a source, relative to the layer. */
  readonly made: readonly string[];
}

interface Attributes extends Owner {
  readonly mode: number;
}

interface Job {
  readonly layer: string;
  readonly request: CopyRequest;
  readonly read: TreeReader;
  /** Files to be copied by their path in the layer: of two with one path the later one wins. */
  readonly copies: Map<string, Scanned>;
  /** Files that were linked, by path. */
  readonly links: Map<string, Scanned>;
  /** Directories of the former layer that are linked as they are. */
  readonly subtrees: Subtree[];
  readonly directories: Set<string>;
  readonly made: Set<string>;
  /** Attributes of directories come last: copying into them changes their times. */
  readonly finish: (() => void)[];
  readonly meter: ReturnType<typeof diskMeter>;
}

/** What becomes of a subdirectory that is unchanged; without it each of its files is placed. */
type OnSame = ((subtree: Subtree) => void) | undefined;

const NEW_DIRECTORY_MODE = 0o755;

/** What a file takes at least on the usual file systems. */
const BLOCK_BYTES = 4096;

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

function applyAttributes(job: Job, file: Scanned, target: string): void {
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
    const seconds = listed.stats.mtimeMs / 1000;
    lutimesSync(target, seconds, seconds);
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

function refuseCopy(job: Job, stderr: string): never {
  if (/No space left on device|Disk quota exceeded/.test(stderr)) {
    throw new NoSpaceError(`no space left while copying into ${job.layer}`, {
      hint: 'free some space (wiac cache du shows what the cache holds), or set WIAC_ROOT',
    });
  }
  throw new ContextError(`cp failed: ${stderr.split('\n')[0] ?? ''}`, job.request.location, {
    hint: 'is the build context changing while it is built?',
  });
}

/** A copy that differs from what was digested would make the cache lie. */
function verify(job: Job, file: Scanned, target: string): void {
  const copied = lstatSync(target);
  job.meter.add(copied);
  const { stats } = file;
  if (stats.kind === 'file' && (copied.size !== stats.size || copied.mtimeMs !== stats.mtimeMs)) {
    throw new ContextError(`${file.hostPath} changed while it was copied`, job.request.location, {
      hint: 'build again when nothing writes to the build context',
    });
  }
  applyAttributes(job, file, target);
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

/** Links the subtrees that are worth a process; the others are placed file by file. */
async function placeSubtrees(job: Job, former: string, found: readonly Subtree[]): Promise<void> {
  const groups = largeGroups(found);
  const failed = groups.length === 0 ? [] : await linkSubtrees(former, job.layer, groups);
  const linked = new Set(groups.flat().filter((subtree) => !failed.includes(subtree)));
  job.subtrees.push(...linked);
  for (const subtree of found)
    if (!linked.has(subtree)) placeSubdirectory(job, subtree, subtree.digest, undefined);
}

async function runCopies(job: Job): Promise<void> {
  const { request, layer } = job;
  const copies = [...job.copies].map(([path, { hostPath, stats }]) => {
    // A link to the former layer must never be written through.
    if (job.links.delete(path)) rmSync(join(layer, path));
    return { from: hostPath, to: join(layer, path), stats };
  });
  const failure = await copyFiles(copies, layer, request.ownership === 'keep' && !request.owner);
  if (failure !== undefined) refuseCopy(job, failure);
  for (const [path, file] of job.copies) verify(job, file, join(layer, path));
}

/**
 * Do two selections have a file for the same path? Then the one that hides the other may be gone
 * the next time, and a former layer's file says nothing of the one that comes to light.
 */
function overlaps(read: TreeReader, selections: readonly SelectionInput[]): boolean {
  if (selections.length < 2) return false;
  const seen = new Set<string>();
  for (const { tree, below } of selections) {
    for (const { path, entry } of walkTree(read, tree, below === '' ? '' : `${below}/`)) {
      if (entry.type === 'dir') continue;
      if (seen.has(path)) return true;
      seen.add(path);
    }
  }
  return false;
}

function bytesOf(files: Iterable<Scanned>, blockSize: number): number {
  let bytes = 0;
  for (const { stats } of files)
    if (stats.kind === 'file') bytes += Math.ceil(stats.size / blockSize) * blockSize;
  return bytes;
}

function reportOf(job: Job): CopyReport {
  let linked = job.links.size;
  let bytes = bytesOf(job.copies.values(), 1) + bytesOf(job.links.values(), 1);
  // To ask the file system for each would take a third of the time that linking takes. Where it
  // matters, for layers that share files, nobody relies on this: prune and du look at the inodes.
  let linkedDisk = bytesOf(job.links.values(), BLOCK_BYTES);
  for (const { path, listed } of job.subtrees) {
    const totals = countListed(listed.directory);
    bytes += totals.bytes;
    linkedDisk += countListed(listed.directory, BLOCK_BYTES).bytes;
    linked += totals.entries - totals.directories.length;
    for (const below of ['', ...totals.directories]) job.directories.add(join(path, below));
  }
  for (const path of new Set(['', ...job.directories]))
    job.meter.add(lstatSync(join(job.layer, path)));
  const files = job.directories.size + job.copies.size + linked;
  const disk = job.meter.total() + linkedDisk;
  return { files, bytes, disk, linked, linkedDisk, made: [...job.made] };
}

/**
 * Writes the files of a COPY into an empty layer directory.
 * @param read looks up tree nodes of the index
 * @throws ContextError when a file changed meanwhile or names collide, NoSpaceError, and the file
 *   system's errors
 */
export async function makeCopyLayer(
  layer: string,
  request: CopyRequest,
  read: TreeReader,
): Promise<CopyReport> {
  const former =
    request.former &&
    !overlaps(read, request.former.selections) &&
    !overlaps(read, request.selections)
      ? request.former
      : undefined;
  const job: Job = {
    layer,
    request: { ...request, former },
    read,
    copies: new Map(),
    links: new Map(),
    subtrees: [],
    directories: new Set(),
    made: new Set(),
    finish: [],
    meter: diskMeter(),
  };
  makeAncestors(job);
  // Of several sources two may have the same directory.
  const whole: Subtree[] = [];
  const onSame = former && request.selections.length === 1 ? whole.push.bind(whole) : undefined;
  for (const [index, selection] of request.selections.entries()) {
    const before = former?.selections[index]?.tree;
    if (selection.kind === 'directory') {
      makeTargetDirectory(job, selection);
      const target = targetDirectory(job, selection);
      placeDirectory(job, selection.files, target, selection.tree, before, onSame);
    } else placeFile(job, selection, before);
  }
  if (former) await placeSubtrees(job, former.path, whole);
  checkpoint('copy:linked');
  await runCopies(job);
  checkpoint('copy:copied');
  for (const finish of job.finish) finish();
  return reportOf(job);
}
