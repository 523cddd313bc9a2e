/**
 * Makes the layer of a COPY. Whatever a former layer of the same instruction already holds, same
 * content, mode, owner and attributes at the same path, is hard-linked from there: layers are
 * immutable and overlayfs copies up before any write. The rest is copied.
 */
import { fstatSync } from 'node:fs';
import type { SelectionInput } from '../../keys/inputs.js';
import { ImageError } from '../../oci/image-error.js';
import { checkpoint } from '../../util/checkpoint.js';
import { ContextError } from '../../util/errors.js';
import { asNoSpaceError } from '../../util/no-space.js';
import { amendTree } from '../scan/amend-tree.js';
import { withoutPaths } from '../scan/hard-links.js';
import type { Scanned } from '../scan/listing.js';
import { countListed } from '../scan/listing.js';
import type { TreeReader } from '../scan/tree.js';
import { walkTree } from '../scan/tree.js';
import type { Selection } from '../select/select.js';
import { parentPath } from '../tree-path.js';
import { openWalker, openWalkers } from '../walker.js';
import type { TreeNodes } from './compose-tree.js';
import { composeTree } from './compose-tree.js';
import { copyFiles, setXattrs } from './copy-files.js';
import type { CopyReport, CopyRequest, Job } from './copy-job.js';
import { goesIntoDirectory } from './copy-target.js';
import { diskMeter } from './disk-usage.js';
import { placeSelections, placeSubtrees } from './place-files.js';

/** What a file takes at least on the usual file systems. */
const BLOCK_BYTES = 4096;

/** Errors of single calls, as errors of the instruction. */
function asCopyError(error: unknown, { layer, request: { location } }: Job): unknown {
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  const full = asNoSpaceError(error, `no space left while copying into ${layer}`);
  if (full) return full;
  if (error instanceof ImageError)
    return new ContextError(error.message, location, { hint: error.hint, cause: error });
  if (syscall === undefined || code === 'EMFILE' || code === 'ENFILE') return error;
  return new ContextError(`a file can't be copied: ${message}`, location, {
    hint: 'is it readable, and does the file system of the store support its attributes?',
    cause: error,
  });
}

/** Places whole directories of other layers and copies files at the same time. */
async function fill(job: Job, signal: AbortSignal | undefined): Promise<void> {
  const whole = placeSelections(job);
  const noted = [...job.copies];
  const filled = [...job.filled];
  const [placed, copied] = await Promise.allSettled([
    placeSubtrees(job, whole, signal),
    copyFiles(job, noted, filled, signal),
  ]);
  // Both have ended: nothing writes to a layer that is given up.
  if (copied.status === 'rejected') throw copied.reason;
  if (placed.status === 'rejected') throw placed.reason;
  checkpoint('copy:linked');
  if (!placed.value) {
    // What could not be placed as a whole.
    const before = new Set(noted.map(([path]) => path));
    const left = [...job.copies].filter(([path]) => !before.has(path));
    await copyFiles(job, left, job.filled.slice(filled.length), signal);
  }
  if (job.directoryXattrs.size > 0) await setXattrs(job.layer, job.directoryXattrs);
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

/** Files of several sources that all get the name of the destination, now or in the former layer. */
function shareName(request: CopyRequest): boolean {
  const { selections, former } = request;
  const most = Math.max(selections.length, former?.selections.length ?? 0);
  return most > 1 && selections.some((selection) => !goesIntoDirectory(request, selection));
}

function getBytes(files: Iterable<Scanned>, blockSize: number): number {
  let bytes = 0;
  for (const { stats } of files)
    if (stats.kind === 'file') bytes += Math.ceil(stats.size / blockSize) * blockSize;
  return bytes;
}

/**
 * The selections as they are in the layer.
 * @throws ContextError when a file is gone that the instruction names
 */
function copiedSelections(
  { request, read, differences, apart }: Job,
  write: TreeNodes['write'],
): Selection[] {
  return request.selections.flatMap((selection, index): Selection[] => {
    const changes = differences[index] ?? new Map();
    if (changes.size === 0 && !apart[index]?.size) return [selection];
    const tree = amendTree(read, write, selection.tree, changes);
    const gone = [...changes].filter(([, entry]) => entry === undefined).map(([path]) => path);
    const links = withoutPaths(selection.links, new Set([...gone, ...(apart[index] ?? [])]));
    if (selection.kind === 'directory' || gone.length === 0) return [{ ...selection, tree, links }];
    if (!selection.named) return [];
    throw new ContextError(`${selection.path} was removed while it was copied`, request.location, {
      hint: 'build again when it is there',
    });
  });
}

/** A sync may look at as many. */
const FEW = 1000;

function freshPaths({ request, copies, filled, linked, subtrees }: Job): string[] | undefined {
  const { former } = request;
  const isLinked = subtrees.every(({ from }) => from.how === 'link' && from.root === former?.path);
  if (!former || !isLinked || linked.files > 0) return undefined;
  // Nothing was linked into these, or below.
  const directories = new Set(filled.map(({ path }) => path));
  const tops = [...directories].filter((path) => path === '' || !directories.has(parentPath(path)));
  const files = filled.reduce((sum, { directory }) => sum + directory.count, copies.size);
  return files > FEW ? undefined : [...tops, ...copies.keys()];
}

function getReport(job: Job, nodes: TreeNodes): CopyReport {
  let linked = job.links.size;
  let bytes = job.copied.bytes + getBytes(job.links.values(), 1);
  // To ask the file system for each would take a third of the time that linking takes. Where it
  // matters, for layers that share files, no caller relies on this: prune and du look at the inodes.
  let linkedDisk = getBytes(job.links.values(), BLOCK_BYTES);
  let copied = 0;
  for (const { path, listed, from } of job.subtrees) {
    const totals = countListed(listed.directory);
    const entries = totals.entries - totals.directories.length;
    const blocks = countListed(listed.directory, BLOCK_BYTES).bytes;
    bytes += totals.bytes;
    if (from.how === 'link') {
      linked += entries;
      linkedDisk += blocks;
    } else {
      copied += entries;
      job.meter.addBytes(blocks);
    }
    job.directories.add(path);
    for (const below of totals.directories) job.directories.add(`${path}/${below}`);
  }
  for (const path of new Set(['', ...job.directories]))
    job.meter.add(fstatSync(job.target.at(path).fd));
  const files = job.directories.size + job.copied.files + linked + copied;
  linked += job.linked.files;
  linkedDisk += job.linked.disk;
  const disk = job.meter.total() + linkedDisk;
  const group = linked > 0 ? job.group : undefined;
  const selections = copiedSelections(job, nodes.write);
  const asDigested = selections.every((selection, at) => selection === job.request.selections[at]);
  // Where a source changed meanwhile, directories may be there for what was gone.
  const composed = asDigested ? composeTree(job.request, nodes) : undefined;
  return {
    files,
    bytes,
    disk,
    linked,
    linkedDisk,
    group,
    fresh: freshPaths(job),
    made: [...job.made],
    selections,
    composed,
  };
}

/**
 * Writes the files of a COPY into an empty layer directory. A source that changes while it is
 * copied is taken as it is then, file by file; the report says what was copied.
 * @throws ContextError when names collide, a file that is named is gone or can't be read;
 *   NoSpaceError, the signal's reason
 */
export async function makeCopyLayer(
  layer: string,
  request: CopyRequest,
  nodes: TreeNodes,
  signal?: AbortSignal,
): Promise<CopyReport> {
  const { read } = nodes;
  const former =
    request.former &&
    !shareName(request) &&
    !overlaps(read, request.former.selections) &&
    !overlaps(read, request.selections)
      ? request.former
      : undefined;
  const job: Job = {
    layer,
    target: openWalker(layer),
    sources: openWalkers(),
    request: { ...request, former },
    read,
    text: nodes.text,
    copies: new Map(),
    filled: [],
    links: new Map(),
    subtrees: [],
    directories: new Set(),
    made: new Set(),
    directoryXattrs: new Map(),
    finish: [],
    meter: diskMeter(),
    copied: { files: 0, bytes: 0 },
    linked: { files: 0, disk: 0 },
    group: former?.group,
    differences: request.selections.map(() => new Map()),
    apart: request.selections.map(() => new Set()),
  };
  try {
    await fill(job, signal);
    checkpoint('copy:copied');
    for (const finish of job.finish) finish();
    return getReport(job, nodes);
  } catch (error) {
    throw asCopyError(error, job);
  } finally {
    job.target.close();
    job.sources.close();
  }
}
