/** Single files and directories of a COPY in its layer, which several sources may name. */
import { basename } from 'node:path';
import { ContextError } from '../../util/errors.js';
import type { Scanned } from '../scan/listing.js';
import { parentPath } from '../tree-path.js';
import type { EntryAttributes } from '../write.js';
import { ensureEntry, linkEntry, removeEntry, setDirectory } from '../write.js';
import type { FileCopy, Job } from './copy-job.js';
import type { NewDirectory } from './copy-target.js';

/** A name can't be a directory and something else; there is no telling which of the two is meant. */
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
export function ensureDirectory(job: Job, path: string): boolean {
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

export function makeDirectories(job: Job, directories: readonly NewDirectory[]): void {
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
export function placeEntry(
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
