/** Files that are there as a whole or not at all. */
import { randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { createWriteStream, rmSync } from 'node:fs';
import { open, readlink, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { atExit } from '../util/at-exit.js';
import { writeFifo } from '../util/fifo.js';

/** As many links as the kernel follows, path_resolution(7). */
const MAX_LINKS = 40;

/** Where a path leads: links are followed up to a file, or up to a descriptor of this process. */
async function followLinks(path: string): Promise<string> {
  let at = path;
  for (let links = 0; links < MAX_LINKS; links += 1) {
    const parent = await realpath(dirname(at)).catch(() => dirname(at));
    at = join(parent, basename(at));
    if (getDescriptor(at) !== undefined) return at;
    const link = await readlink(at).catch(() => undefined);
    if (link === undefined) return at;
    at = resolve(parent, link);
  }
  return at;
}

/** The descriptor that /dev/stdout, /dev/fd/3 and the like lead to. */
function getDescriptor(path: string): number | undefined {
  const [, pid, descriptor] = /^\/proc\/(\d+)\/fd\/(\d+)$/.exec(path) ?? [];
  return Number(pid) === process.pid ? Number(descriptor) : undefined;
}

type Fill = (output: Writable) => Promise<void>;

async function openThere(path: string, stats: Stats | undefined): Promise<Writable> {
  if (stats?.isFIFO()) return writeFifo(path);
  // A file is written where its descriptor stands, so that nothing else that goes there is lost.
  const fd = stats?.isFile() ? getDescriptor(path) : undefined;
  if (fd !== undefined) return createWriteStream('', { fd, autoClose: false });
  return (await open(path, 'w')).createWriteStream();
}

/** Writes to what is there: a device, a pipe, or a file that this process has open. */
async function writeInto(path: string, stats: Stats | undefined, fill: Fill): Promise<void> {
  const output = await openThere(path, stats);
  try {
    await fill(output);
  } catch (error) {
    output.destroy();
    throw error;
  }
}

/**
 * Writes a file under another name next to it and renames it when it is complete; one that is
 * there is replaced. A failure leaves nothing. Links stay: what they lead to is replaced. Devices,
 * pipes and open descriptors are written to as they are: renamed over, /dev/null or /dev/stdout
 * would be a file from then on, for everybody.
 * @param fill writes the content and ends the stream, or throws
 */
export async function writeWhole(target: string, fill: Fill): Promise<void> {
  const path = await followLinks(resolve(target));
  const stats = await stat(path).catch(() => undefined);
  const isOther = stats !== undefined && !stats.isFile() && !stats.isDirectory();
  if (isOther || getDescriptor(path) !== undefined) return writeInto(path, stats, fill);
  await replaceFile(path, fill);
}

/**
 * The same for a name that no user has given, in a directory that others may write to as well: whatever has it, a link or
 * a pipe, is replaced, and nothing is written to where it leads.
 */
export async function replaceFile(path: string, fill: Fill): Promise<void> {
  const temporary = `${path}.tmp-${process.pid}-${randomBytes(6).toString('hex')}`;
  // A stream that opens the file itself may do so after a failure, when it was removed already.
  const handle = await open(temporary, 'wx');
  const keep = atExit(() => rmSync(temporary, { force: true }));
  const output = handle.createWriteStream();
  try {
    await fill(output);
    await rename(temporary, path);
  } catch (error) {
    output.destroy();
    await handle.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  } finally {
    keep();
  }
}
