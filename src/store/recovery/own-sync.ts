/**
 * Puts on disk what a store has published, without waiting for what other programs have written to the same file
 * system: syncfs(2) waits for all of that, 0.5 s for each 500 MB (a checkout, a download).
 *
 * Where a journal has one order for the whole file system, it is enough to have the data of our own files written,
 * and the journal committed: then the names, sizes and blocks of all that was made before are on disk. Each of our
 * files is looked at for that; so it pays only where others have written a lot.
 */
import { readdirSync, readFileSync, readlinkSync, statfsSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { syncTrees } from '../../native/store-files.js';
import { addedBytes } from '../gc/totals.js';
import type { CacheIndex } from '../index/index-db.js';
import { parseMark, recordPath } from '../index/record-files.js';
import { randomName } from '../layers/random-name.js';
import type { StorePaths } from '../paths.js';
import type { LayerId } from '../records.js';

/** f_type of statfs(2). */
const [EXT4, XFS] = [0xef53, 0x58465342];

/** Name of the block device that a file system is on. */
function deviceName(path: string): string {
  const { dev } = statSync(path, { bigint: true });
  // As in sys/sysmacros.h.
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  return basename(readlinkSync(`/sys/dev/block/${major}:${minor}`)).replaceAll('!', '/');
}

/** Has the file system a journal that has one order for all of it? ext4 may be without one. */
export function hasOneJournal(path: string): boolean {
  try {
    const { type } = statfsSync(path);
    if (type === XFS) return true;
    if (type !== EXT4) return false;
    const journals = `${deviceName(path)}-`;
    return readdirSync('/proc/fs/jbd2').some((name) => name.startsWith(journals));
  } catch {
    // Not to be seen from in here.
    return false;
  }
}

/** Bytes of all file systems that are not on disk. */
function dirtyBytes(): number {
  const text = readFileSync('/proc/meminfo', 'latin1');
  const kilobytes = [...text.matchAll(/^(?:Dirty|Writeback): +(\d+) kB$/gm)].map(([, n]) =>
    Number(n),
  );
  return 1024 * kilobytes.reduce((sum, n) => sum + n, 0);
}

/** What is to be put on disk. */
export interface Due {
  /** Relative to the store. */
  readonly paths: readonly string[];
  readonly files: number;
  readonly bytes: number;
}

/**
 * What marks speak of.
 * @returns undefined when some of it is kept by another program, elsewhere
 */
export function dueOf(index: CacheIndex, marks: Iterable<string>): Due | undefined {
  const paths: string[] = [];
  let [files, bytes] = [0, 0];
  for (const mark of marks) {
    const record = parseMark(mark);
    const [kind, ...rest] = mark.split(':');
    const name = rest.join(':');
    if (record) paths.push(recordPath(record.kind, record.file));
    else if (kind === 'blob') paths.push(`blobs/${name.replace(':', '/')}`);
    else {
      const layer = index.layers.get(name as LayerId);
      if (layer?.external !== undefined) return undefined;
      const fresh = index.fresh.get(name as LayerId);
      if (fresh) paths.push(...fresh.map((path) => join('layers', name, 'diff', path)));
      else paths.push(`layers/${name}`);
      // Each path is counted below.
      files += (fresh ? 0 : layer?.files) ?? 0;
      bytes += layer ? addedBytes(layer) : 0;
    }
  }
  return { paths, files: files + paths.length, bytes };
}

/** A disk that is not slow, bytes a ms; to look at a file twice, ms; and what it has to pay for at least, ms. */
const [DISK, LOOK, LEAST] = [500_000, 0.01, 20] as const;

/** Would one wait longer for others than it takes to look at each of our own files? Pure. */
export function isWorthIt({ files, bytes }: Due, dirty: number): boolean {
  return Math.max(0, dirty - bytes) / DISK > files * LOOK + LEAST;
}

/** What the disk says. All else, as a part of the store that is a link, does not concern syncfs. */
const DISK_ERRORS = new Set(['EIO', 'ENOSPC', 'EDQUOT']);

/**
 * Puts what marks speak of on disk, where that can be done alone, and is worth it.
 * @returns false when it has not been done
 * @throws the disk's errors
 */
export async function syncOwn(
  paths: StorePaths,
  index: CacheIndex,
  marks: Iterable<string>,
): Promise<boolean> {
  const due = dueOf(index, marks);
  if (!due || !isWorthIt(due, dirtyBytes()) || !hasOneJournal(paths.root)) return false;
  try {
    await syncTrees(paths.root, `tmp/${randomName()}.${paths.self.id}`, due.paths);
    return true;
  } catch (error) {
    if (DISK_ERRORS.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    return false;
  }
}
