/**
 * Copies the regular files of a COPY, by wiac-sys, which digests each as it is copied: what the layer
 * holds is what its key says, whatever happens to the source meanwhile.
 */
import type { FileDigest } from '../../keys/digest.js';
import type { DirectoryToFill, FileToCopy, OtherCopy } from '../../native/fill-directories.js';
import { fillDirectories } from '../../native/fill-directories.js';
import type { FileEntry } from '../scan/tree.js';
import { lastName, parentPath } from '../tree-path.js';
import type { FileCopy, Job } from './copy-job.js';
import { copiedMode, copiedOwner } from './copy-target.js';
import { isLinkable } from './linkable.js';

/** A file with its path in the layer. */
export type RegularCopy = readonly [path: string, copy: FileCopy & { readonly entry: FileEntry }];

/** Files of one request: many, or one that is large. Bytes; each file counts as some. */
const REQUEST_BYTES = 1 << 20;
const FILE_BYTES = 4 << 10;

/** So many requests wait for wiac-sys at once: its threads have enough to do, and a signal is heeded. */
const AT_ONCE = 8;

/** Files of one root, in pieces; each file is taken when a piece needs it. */
function* batches(files: Iterable<RegularCopy>): Generator<RegularCopy[]> {
  const roots = new Map<string, { batch: RegularCopy[]; bytes: number }>();
  for (const file of files) {
    const { root } = file[1].file.place;
    const same = roots.get(root) ?? { batch: [], bytes: 0 };
    same.batch.push(file);
    same.bytes += FILE_BYTES + file[1].entry.size;
    if (same.bytes < REQUEST_BYTES) {
      roots.set(root, same);
      continue;
    }
    roots.delete(root);
    yield same.batch;
  }
  for (const { batch } of roots.values()) yield batch;
}

/** Files by their directories: mostly those of one come one after the other. */
function byDirectory(job: Job, batch: readonly RegularCopy[]): DirectoryToFill[] {
  const { request } = job;
  const directories: (DirectoryToFill & { readonly files: FileToCopy[] })[] = [];
  for (const file of batch) {
    const [path, copy] = file;
    const { entry } = copy;
    const from = parentPath(copy.file.place.path);
    const into = parentPath(path);
    let last = directories.at(-1);
    if (last?.from !== from || last.into !== into) {
      last = { from, into, files: [] };
      directories.push(last);
    }
    last.files.push({
      name: lastName(copy.file.place.path),
      target: lastName(path),
      mode: copiedMode(request, entry),
      owner: copiedOwner(request, entry),
      size: entry.size,
      digest: entry.digest,
      mayLink: isLinkable(job, file),
    });
  }
  return directories;
}

/** @returns files that were not copied */
async function copyBatch(job: Job, batch: readonly RegularCopy[]): Promise<RegularCopy[]> {
  const left: RegularCopy[] = [];
  const digested = batch.reduce((sum, [, { entry }]) => sum + entry.size, 0);
  let bytes = digested;
  const onOther = (index: number, other: OtherCopy) => {
    const file = batch[index];
    if (!file) return;
    const { selection, within, entry } = file[1];
    bytes -= entry.size;
    if (other.kind === 'not copied') left.push(file);
    else {
      const { size, digest } = other;
      bytes += size;
      job.differences[selection]?.set(within, {
        ...entry,
        size,
        digest: digest as FileDigest,
      });
    }
  };
  const from = batch[0]?.[1].file.place.root ?? '';
  const roots = { from, into: job.layer, changes: job.request.changes };
  const filled = await fillDirectories(roots, byDirectory(job, batch), onOther);
  job.request.onBytes?.(digested);
  job.copied.files += batch.length - left.length;
  job.copied.bytes += bytes;
  job.meter.addBytes(filled.disk);
  job.linked.files += filled.linked;
  job.linked.disk += filled.linkedDisk;
  return left;
}

/**
 * Copies them; one whose content is not what was digested goes to `job.differences`.
 * @returns those that have become something else, or can't be read: nothing was done for them
 * @throws the file system's errors, IsolationError, the signal's reason; nothing is written any more then
 */
export async function copyRegularFiles(
  job: Job,
  files: Iterable<RegularCopy>,
  signal: AbortSignal | undefined,
): Promise<RegularCopy[]> {
  const left: RegularCopy[] = [];
  const waiting = batches(files);
  let failed = false;
  const copyNext = async () => {
    while (!failed && !signal?.aborted) {
      const { value: batch } = waiting.next();
      if (!batch) return;
      try {
        left.push(...(await copyBatch(job, batch)));
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: AT_ONCE }, copyNext));
  for (const one of ended) if (one.status === 'rejected') throw one.reason;
  signal?.throwIfAborted();
  return left;
}
