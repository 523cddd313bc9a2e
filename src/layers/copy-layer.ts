/**
 * Makes the layer of a COPY. Whatever a former layer of the same instruction already holds, same
 * content, mode, owner and attributes at the same path, is hard-linked from there: layers are
 * immutable and overlayfs copies up before any write. The rest is copied.
 */
import { lstatSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { checkpoint } from '../checkpoint.js';
import type { Scanned } from '../context/listing.js';
import { countListed } from '../context/listing.js';
import type { TreeReader } from '../context/tree.js';
import { walkTree } from '../context/tree.js';
import { ContextError, NoSpaceError } from '../errors.js';
import type { SelectionInput } from '../keys/inputs.js';
import type { CopyReport, CopyRequest, Job } from './copy-job.js';
import { copyFiles } from './cp.js';
import { diskMeter } from './disk-usage.js';
import { applyAttributes, placeSelections, placeSubtrees } from './place-files.js';

/** What a file takes at least on the usual file systems. */
const BLOCK_BYTES = 4096;

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

async function runCopies(job: Job, wanted: ReadonlyMap<string, Scanned>): Promise<void> {
  const { request, layer } = job;
  const copies = [...wanted].map(([path, { hostPath, stats }]) => {
    // A link to the former layer must never be written through.
    if (job.links.delete(path)) rmSync(join(layer, path));
    return { from: hostPath, to: join(layer, path), stats };
  });
  const failure = await copyFiles(copies, layer, request.ownership === 'keep' && !request.owner);
  if (failure !== undefined) refuseCopy(job, failure);
  for (const [path, file] of wanted) verify(job, file, join(layer, path));
}

/** Links directories of the former layer and copies files at the same time. */
async function fill(job: Job): Promise<void> {
  const { former } = job.request;
  const whole = placeSelections(job);
  const noted = new Map(job.copies);
  const both = await Promise.allSettled([
    former && placeSubtrees(job, former.path, whole),
    runCopies(job, noted),
  ]);
  // Both have ended: nothing writes to a layer that is given up.
  for (const one of both) if (one.status === 'rejected') throw one.reason;
  checkpoint('copy:linked');
  // What could not be linked.
  await runCopies(job, new Map([...job.copies].filter(([path]) => !noted.has(path))));
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
    job.directories.add(path);
    for (const below of totals.directories) job.directories.add(`${path}/${below}`);
  }
  for (const path of new Set(['', ...job.directories]))
    job.meter.add(lstatSync(path === '' ? job.layer : `${job.layer}/${path}`));
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
  await fill(job);
  checkpoint('copy:copied');
  for (const finish of job.finish) finish();
  return reportOf(job);
}
