/**
 * Copies files into a layer. Each is opened by descriptor on both sides and digested as it is
 * copied: what the layer holds is what its key says, whatever happens to the source meanwhile.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  writeSync,
} from 'node:fs';
import { basename } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { FileDigest } from '../../keys/digest.js';
import { ContextError } from '../../util/errors.js';
import { fileTime } from '../../util/file-time.js';
import type { Pending } from '../archive/pending.js';
import { createPending } from '../archive/pending.js';
import type { Directory } from '../directory.js';
import { lstatEntry } from '../directory.js';
import type { OpenFile } from '../read.js';
import { openFile, readBuffer, readLink, readPieces } from '../read.js';
import type { FileEntry, SpecialEntry, SymlinkEntry, TreeEntry } from '../scan/tree.js';
import { sameEntry } from '../scan/tree.js';
import { parentPath } from '../tree-path.js';
import { createFile, createLink, linkEntry, setEntryOwner, setEntryTime } from '../write.js';
import type { FileCopy, Job } from './copy-job.js';
import type { Owner } from './users.js';

/** Everything else of this process waits for so long at most. */
const SLICE_MS = 20;

/** What copying works with. */
interface Copying {
  readonly job: Job;
  readonly pending: Pending;
  readonly buffer: Buffer;
}

function place(path: string): { parent: string; name: string } {
  const parent = parentPath(path);
  return { parent, name: basename(path) };
}

/** A block of the usual file systems: a hole has that size at least. */
const BLOCK = 4096;
const ZEROS = Buffer.alloc(BLOCK);

function writeAll(fd: number, data: Buffer, position: number): void {
  for (let done = 0; done < data.length; )
    done += writeSync(fd, data, done, data.length - done, position + done);
}

/** Writes the blocks that are not zero; the rest stays a hole. */
function writeSparsely(fd: number, piece: Buffer, position: number): void {
  for (let at = 0; at < piece.length; at += BLOCK) {
    const block = piece.subarray(at, at + BLOCK);
    if (!block.equals(ZEROS.subarray(0, block.length))) writeAll(fd, block, position + at);
  }
}

/** Every symbolic link has it (symlink(7)). */
const LINK_MODE = 0o777;

/** stat(2): st_blocks counts units of 512 bytes. */
const hasHoles = ({ stats }: OpenFile) => stats.blocks * 512 < stats.size;

/**
 * @param known digest of a file that never changes; others are digested on their way
 * @returns bytes and digest of what was read, and so of what was written
 */
function copyContent(
  source: OpenFile,
  target: number,
  buffer: Buffer,
  known: FileDigest | undefined,
) {
  const hash = known === undefined ? createHash('sha256') : undefined;
  const sparse = hasHoles(source);
  const size = readPieces(source, buffer, (piece, position) => {
    hash?.update(piece);
    if (sparse) writeSparsely(target, piece, position);
    else writeAll(target, piece, position);
  });
  if (sparse) ftruncateSync(target, size);
  return { digest: known ?? (hash?.digest('hex') as FileDigest), size };
}

/** Owner of the copy; undefined: the process that makes it. */
function getOwner({ job: { request } }: Copying, entry: TreeEntry): Owner | undefined {
  return request.owner ?? (request.ownership === 'keep' ? entry : undefined);
}

function getMode({ job: { request } }: Copying, entry: TreeEntry): number {
  return request.chmod ? request.chmod(entry.mode, false) : entry.mode;
}

/** What Node has no call for; chown(2) removes capabilities, so that they come after it. */
function queueXattrs({ pending }: Copying, path: string, { xattrs }: TreeEntry): void {
  const bytes = Buffer.from(path).toString('latin1');
  for (const [name, value] of xattrs) {
    const text = Buffer.from(value, 'hex').toString('latin1');
    pending.add({ call: 'setxattr', path: bytes, name, value: text });
  }
}

/** Gives a new file, which is open, what belongs to it besides its content. */
function finishFile(copying: Copying, fd: number, entry: FileEntry, mtimeMs: number): void {
  const owner = getOwner(copying, entry);
  if (owner) fchownSync(fd, owner.uid, owner.gid);
  // chown clears setuid and setgid, so that the mode comes after it.
  fchmodSync(fd, getMode(copying, entry));
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

/**
 * Copies a regular file.
 * @returns what was copied; undefined when there is no such file any more
 */
function copyFile(
  copying: Copying,
  from: Directory,
  fromName: string,
  to: Directory,
  name: string,
  entry: FileEntry,
): FileEntry | undefined {
  const source = openFile(from, fromName);
  if (!source) return undefined;
  try {
    const fd = createFile(to, name, 0o600);
    try {
      const known = copying.job.request.changes ? undefined : entry.digest;
      const content = copyContent(source, fd, copying.buffer, known);
      finishFile(copying, fd, entry, source.stats.mtimeMs);
      const same = content.digest === entry.digest && content.size === entry.size;
      return same ? entry : { ...entry, ...content };
    } finally {
      closeSync(fd);
    }
  } finally {
    closeSync(source.fd);
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
  const owner = getOwner(copying, entry);
  if (owner) setEntryOwner(to, name, owner.uid, owner.gid);
  setEntryTime(to, name, mtimeMs);
  const stats = lstatEntry(to, name);
  if (stats) copying.job.meter.add(stats);
}

/** Devices, fifos and sockets. */
function makeSpecial(copying: Copying, path: string, copy: FileCopy, entry: SpecialEntry): void {
  const { uid, gid } = getOwner(copying, entry) ?? { uid: 0, gid: 0 };
  const bytes = Buffer.from(path).toString('latin1');
  const mode = getMode(copying, entry);
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

/** @returns what was copied; undefined when it was gone */
function copyOne(copying: Copying, path: string, copy: FileCopy): TreeEntry | undefined {
  const { job } = copying;
  const { file, entry } = copy;
  const { parent, name } = place(path);
  if (entry.type === 'symlink')
    makeLink(copying, job.target.at(parent), name, entry, file.stats.mtimeMs);
  else if (entry.type === 'file' && file.stats.kind === 'socket')
    copySocket(copying, job.target.at(parent), name, entry, file.stats.mtimeMs);
  else if (entry.type === 'file') {
    const source = place(file.place.path);
    const from = sourceDirectory(job, file.place.root, source.parent);
    if (!from) return undefined;
    const copied = copyFile(copying, from, source.name, job.target.at(parent), name, entry);
    if (!copied) return copyChanged(copying, path, copy, from, source.name);
    queueXattrs(copying, path, copied);
    return copied;
  } else if (entry.type !== 'dir') makeSpecial(copying, path, copy, entry);
  queueXattrs(copying, path, entry);
  return entry;
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
  return true;
}

/**
 * Carries out what was noted in `wanted`; what is not as it was digested goes to `job.differences`.
 * @param signal stops between two files
 * @throws the file system's errors, and the signal's reason
 */
export async function copyFiles(
  job: Job,
  wanted: ReadonlyMap<string, FileCopy>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const copying: Copying = { job, pending: createPending(job.layer), buffer: readBuffer() };
  // Names of one file come last, when the first of them is there.
  const inOrder = [
    ...[...wanted].filter(([, { sameAs }]) => sameAs === undefined),
    ...[...wanted].filter(([, { sameAs }]) => sameAs !== undefined),
  ];
  let until = performance.now() + SLICE_MS;
  for (const [path, copy] of inOrder) {
    if (linkToFirst(copying, path, copy)) continue;
    const copied = copyOne(copying, path, copy);
    if (copied !== copy.entry) job.differences[copy.selection]?.set(copy.within, copied);
    if (copied === undefined) job.copies.delete(path);
    if (performance.now() < until) continue;
    await setImmediate();
    signal?.throwIfAborted();
    until = performance.now() + SLICE_MS;
  }
  await copying.pending.flush();
}
