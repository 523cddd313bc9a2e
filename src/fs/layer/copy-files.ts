/** Copies files into a layer. Regular files are copied by wiac-sys, the few others here. */
import { closeSync, fchmodSync, fchownSync, fstatSync, futimesSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { toByteString } from '../../util/byte-string.js';
import { ContextError } from '../../util/errors.js';
import { fileTime } from '../../util/file-time.js';
import type { Pending } from '../archive/pending.js';
import { createPending } from '../archive/pending.js';
import type { Directory } from '../directory.js';
import { lstatEntry } from '../directory.js';
import { openFile, readLink } from '../read.js';
import type { FileEntry, SpecialEntry, SymlinkEntry, TreeEntry } from '../scan/tree.js';
import { sameEntry } from '../scan/tree.js';
import { xattrBytes } from '../scan/xattrs.js';
import { lastName, parentPath, pathBelow } from '../tree-path.js';
import { createFile, createLink, linkEntry, setEntryOwner, setEntryTime } from '../write.js';
import type { DirectoryCopy, FileCopy, Job } from './copy-job.js';
import type { RegularCopy } from './copy-regular.js';
import { copyRegularFiles } from './copy-regular.js';
import { copiedMode, copiedOwner } from './copy-target.js';

/** Everything else of this process waits for so long at most. */
const SLICE_MS = 20;

/** A file with its path in the layer. */
export type NotedCopy = readonly [path: string, copy: FileCopy];

/** What copying works with. */
interface Copying {
  readonly job: Job;
  readonly pending: Pending;
  /** Paths that get no attributes: another name has them, or something else is there by now. */
  readonly bare: Set<string>;
}

function place(path: string): { parent: string; name: string } {
  const parent = parentPath(path);
  return { parent, name: lastName(path) };
}

/** Every symbolic link has it (symlink(7)). */
const LINK_MODE = 0o777;

function addXattrs(pending: Pending, path: string, xattrs: TreeEntry['xattrs']): void {
  const bytes = toByteString(path);
  for (const [name, value] of xattrBytes(xattrs))
    pending.add({ call: 'setxattr', path: bytes, name, value });
}

/** What Node has no call for; chown(2) removes capabilities, so that they come after it. */
function queueXattrs({ pending, bare }: Copying, copies: readonly NotedCopy[]): void {
  for (const noted of copies) {
    const { entry } = noted[1];
    if (entry.xattrs.length === 0) continue;
    const [path] = noted;
    if (!bare.has(path)) addXattrs(pending, path, entry.xattrs);
  }
}

/** Sets attributes of what is there, by path in the layer. @throws the file system's errors */
export async function setXattrs(
  layer: string,
  wanted: ReadonlyMap<string, TreeEntry['xattrs']>,
): Promise<void> {
  const pending = createPending(layer);
  for (const [path, xattrs] of wanted) addXattrs(pending, path, xattrs);
  await pending.flush();
}

/** Gives a new file, which is open, what belongs to it besides its content. */
function finishFile(copying: Copying, fd: number, entry: FileEntry, mtimeMs: number): void {
  const owner = copiedOwner(copying.job.request, entry);
  if (owner) fchownSync(fd, owner.uid, owner.gid);
  // chown clears setuid and setgid, so that the mode comes after it.
  fchmodSync(fd, copiedMode(copying.job.request, entry));
  const time = fileTime(mtimeMs / 1000);
  futimesSync(fd, time, time);
  copying.job.meter.add(fstatSync(fd));
}

/** A socket of a build context is an empty file in the image: nothing can be read from it. */
function copySocket(
  copying: Copying,
  to: Directory,
  name: string,
  entry: FileEntry,
  mtimeMs: number,
): void {
  const fd = createFile(to, name, 0o600);
  try {
    finishFile(copying, fd, entry, mtimeMs);
  } finally {
    closeSync(fd);
  }
}

/** Makes a symbolic link with the target that was digested: nothing is read for it. */
function makeLink(
  copying: Copying,
  to: Directory,
  name: string,
  entry: SymlinkEntry,
  mtimeMs: number,
): void {
  createLink(to, name, entry.target);
  const owner = copiedOwner(copying.job.request, entry);
  if (owner) setEntryOwner(to, name, owner.uid, owner.gid);
  setEntryTime(to, name, mtimeMs);
  const stats = lstatEntry(to, name);
  if (stats) copying.job.meter.add(stats);
}

/** Devices, fifos and sockets. */
function makeSpecial(copying: Copying, path: string, copy: FileCopy, entry: SpecialEntry): void {
  const { uid, gid } = copiedOwner(copying.job.request, entry) ?? { uid: 0, gid: 0 };
  const bytes = toByteString(path);
  const mode = copiedMode(copying.job.request, entry);
  const { type, device } = entry;
  if (type === 'char' && device === 0) {
    throw new ContextError(
      `${copy.file.place.path} can't be copied: a device 0/0 means a removed file in a layer`,
      copying.job.request.location,
      { hint: 'exclude it with .dockerignore or --exclude' },
    );
  }
  copying.pending.add({ call: 'mknod', path: bytes, type, mode, uid, gid, device });
  const { mtimeMs } = copy.file.stats;
  const seconds = Math.floor(mtimeMs / 1000);
  const nanoseconds = Math.min(999_999_999, Math.round((mtimeMs - seconds * 1000) * 1e6));
  copying.pending.add({ call: 'utime', path: bytes, time: { seconds, nanoseconds } });
}

/**
 * What a name has become since it was digested: a link in the place of a file, say. It is digested
 * and copied anew.
 */
function copyChanged(
  copying: Copying,
  path: string,
  copy: FileCopy,
  from: Directory,
  fromName: string,
): TreeEntry | undefined {
  const target = readLink(from, fromName);
  if (target === undefined) return undefined;
  const { name, uid, gid, xattrs } = copy.entry;
  const entry: SymlinkEntry = { type: 'symlink', name, mode: LINK_MODE, uid, gid, xattrs, target };
  const at = place(path);
  makeLink(copying, copying.job.target.at(at.parent), at.name, entry, copy.file.stats.mtimeMs);
  return entry;
}

/** Copies what is no regular file. */
function copyOne(copying: Copying, path: string, copy: FileCopy): void {
  const { job } = copying;
  const { file, entry } = copy;
  const { parent, name } = place(path);
  const { mtimeMs } = file.stats;
  job.copied.files += 1;
  if (entry.type === 'symlink') makeLink(copying, job.target.at(parent), name, entry, mtimeMs);
  else if (entry.type === 'file') copySocket(copying, job.target.at(parent), name, entry, mtimeMs);
  else if (entry.type !== 'dir') makeSpecial(copying, path, copy, entry);
}

/** undefined when another process removed it, or put something else in its place. */
function sourceDirectory(job: Job, root: string, path: string): Directory | undefined {
  try {
    return job.sources.at(root, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (job.request.changes && (code === 'ENOENT' || code === 'ENOTDIR')) return undefined;
    throw error;
  }
}

/**
 * Makes one more name of a file that was copied before it.
 * @returns false when that is not the same file any more
 */
function linkToFirst(copying: Copying, path: string, copy: FileCopy): boolean {
  const { job } = copying;
  const leader = copy.sameAs === undefined ? undefined : job.copies.get(copy.sameAs);
  if (!leader || copy.sameAs === undefined || leader.selection !== copy.selection) return false;
  const changed = job.differences[copy.selection]?.has(leader.within);
  if (changed || !sameEntry(leader.entry, copy.entry) || copy.entry.type !== 'file') {
    job.apart[copy.selection]?.add(copy.within);
    return false;
  }
  const from = place(copy.sameAs);
  const to = place(path);
  // Two directories are open at once: a walker's is valid until its next call.
  const { layer, sources, target } = job;
  linkEntry(sources.at(layer, from.parent), from.name, target.at(to.parent), to.name);
  copying.bare.add(path);
  job.copied.files += 1;
  job.copied.bytes += copy.entry.size;
  return true;
}

/** Is there a regular file after all? @throws EACCES, EIO and others that say why it can't be read */
function isReadable(directory: Directory, name: string): boolean {
  const file = openFile(directory, name);
  if (file) closeSync(file.fd);
  return file !== undefined;
}

/** What wiac-sys found to be no regular file: it may be one again, a link, or gone. */
async function copyOthers(
  copying: Copying,
  files: readonly RegularCopy[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const { job } = copying;
  const source = ([, { file }]: RegularCopy) => {
    const { parent, name } = place(file.place.path);
    return { from: sourceDirectory(job, file.place.root, parent), name };
  };
  const readable = files.filter((file) => {
    const { from, name } = source(file);
    return from !== undefined && isReadable(from, name);
  });
  const again = new Set(await copyRegularFiles(job, readable, signal));
  const copied = new Set(readable.filter((file) => !again.has(file)));
  for (const file of files) {
    if (copied.has(file)) continue;
    const [path, copy] = file;
    const { from, name } = source(file);
    const now = from && copyChanged(copying, path, copy, from, name);
    job.differences[copy.selection]?.set(copy.within, now);
    copying.bare.add(path);
    if (now === undefined) job.copies.delete(path);
    else job.copied.files += 1;
  }
}

/** A socket of a build context is an empty file in the image. */
const isRegular = (noted: NotedCopy): noted is RegularCopy =>
  noted[1].entry.type === 'file' && noted[1].file.stats.kind !== 'socket';

/** Copies files, none of which is another name of one that was copied. */
async function copyApart(
  copying: Copying,
  copies: Iterable<NotedCopy>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const others: NotedCopy[] = [];
  const regular = function* () {
    for (const noted of copies)
      if (isRegular(noted)) yield noted;
      else others.push(noted);
  };
  await copyOthers(copying, await copyRegularFiles(copying.job, regular(), signal), signal);
  let until = performance.now() + SLICE_MS;
  for (const [path, copy] of others) {
    copyOne(copying, path, copy);
    if (performance.now() < until) continue;
    await setImmediate();
    signal?.throwIfAborted();
    until = performance.now() + SLICE_MS;
  }
}

/** Files of a directory, as they were digested. */
function* filesOf(job: Job, { path, directory, digest, selection, within }: DirectoryCopy) {
  const entries = new Map(job.read(digest).map((entry) => [entry.name, entry]));
  for (const file of directory.getChildren((kind) => kind === 'file')) {
    const entry = entries.get(file.name);
    // What is not in the tree was gone when it was digested.
    if (!entry || entry.type === 'dir') continue;
    const names = { within: pathBelow(within, file.name), sameAs: undefined, alone: true };
    const copy: FileCopy = { file, entry, selection, ...names };
    yield [pathBelow(path, file.name), copy] satisfies NotedCopy;
  }
}

/**
 * Carries out what was noted; what is not as it was digested goes to `job.differences`.
 * @param filled their files are copied as well
 * @param signal stops between two requests
 * @throws the file system's errors, and the signal's reason
 */
export async function copyFiles(
  job: Job,
  noted: readonly NotedCopy[],
  filled: readonly DirectoryCopy[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const copying: Copying = { job, pending: createPending(job.layer), bare: new Set() };
  // Names of one file come last, when the first of them is there.
  const further = noted.filter(([, { sameAs }]) => sameAs !== undefined);
  const first =
    further.length === 0 ? noted : noted.filter(([, { sameAs }]) => sameAs === undefined);
  const withXattrs: NotedCopy[] = [];
  const all = function* () {
    yield* first;
    for (const directory of filled)
      for (const file of filesOf(job, directory)) {
        if (file[1].entry.xattrs.length > 0) withXattrs.push(file);
        yield file;
      }
  };
  await copyApart(copying, all(), signal);
  const apart = further.filter(([path, copy]) => !linkToFirst(copying, path, copy));
  await copyApart(copying, apart, signal);
  queueXattrs(copying, noted);
  queueXattrs(copying, withXattrs);
  await copying.pending.flush();
}
