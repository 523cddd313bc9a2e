/**
 * What is in a cache mount. Steps may be at work in it: what they remove meanwhile is left out, and
 * no name is followed that one of them may have made a symbolic link of.
 */
import { createHash } from 'node:crypto';
import type { BigIntStats, Stats } from 'node:fs';
import { constants, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import type { ListedDirectory } from '../../native/list-directories.js';
import { LISTED_FIELDS, LISTED_OTHERS, listDirectories } from '../../native/list-directories.js';
import type { TarTime } from '../../oci/tar/entry.js';
import type { ByteString } from '../../util/byte-string.js';
import { fsPath } from '../../util/byte-string.js';
import { closeDirectory, entryPath, openRoot } from '../directory.js';
import { pathBelow } from '../tree-path.js';
import type { Walker } from '../walker.js';
import { openWalker } from '../walker.js';
import { setDirectory } from '../write.js';

const { S_IFDIR, S_IFMT, S_IFREG } = constants;

/** Owner, permissions and time, as they travel. */
export interface MountAttributes {
  /** 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: TarTime;
}

/** A file, as far as one has to know whether it changed. Whoever reads it learns the rest. */
export interface FoundFile {
  readonly type: 'file';
  /** Relative to the mount. */
  readonly path: ByteString;
  /** Bytes. */
  readonly size: number;
  /** ms since the epoch. */
  readonly atimeMs: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  /** With ctimeMs another one when the file is another one, or was changed. */
  readonly ino: number;
  /** Equal for all names of a file; undefined when it has one name only. */
  readonly inode: string | undefined;
}

export interface FoundDirectory {
  readonly type: 'directory';
  readonly path: ByteString;
  readonly attributes: MountAttributes;
}

export interface FoundSymlink {
  readonly type: 'symlink';
  readonly path: ByteString;
  readonly attributes: MountAttributes;
  readonly target: ByteString;
}

/** Something in a mount. Devices, fifos and sockets are left out: nothing of them could travel. */
export type MountEntry = FoundFile | FoundDirectory | FoundSymlink;

const BILLION = 1_000_000_000n;

function getTime(nanoseconds: bigint): TarTime {
  const rest = ((nanoseconds % BILLION) + BILLION) % BILLION;
  return { seconds: Number((nanoseconds - rest) / BILLION), nanoseconds: Number(rest) };
}

/** As Node has it in stats without `bigint`: a double, finer than the kernel's clock tick. */
function toMs(time: bigint): number {
  const { seconds, nanoseconds } = getTime(time);
  return seconds * 1e3 + nanoseconds / 1e6;
}

/** Of stats with `bigint`: they have the nanoseconds. */
export function mountAttributes(stats: BigIntStats): MountAttributes {
  return {
    mode: Number(stats.mode & 0o7777n),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    mtime: getTime(stats.mtimeNs),
  };
}

/** Size, time of change and inode, of stats with `bigint`. */
export function fileState({ size, ctimeNs, ino }: BigIntStats) {
  return { size: Number(size), ctimeMs: toMs(ctimeNs), ino: Number(ino) };
}

const GONE = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EINVAL']);

/** What another process may have removed, or replaced, meanwhile. */
function unlessGone<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (GONE.has((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

type FileNumbers = Pick<
  Stats,
  'size' | 'atimeMs' | 'mtimeMs' | 'ctimeMs' | 'nlink' | 'dev' | 'ino'
>;

function foundFile(path: ByteString, stats: FileNumbers): FoundFile {
  const { size, atimeMs, mtimeMs, ctimeMs, nlink, dev, ino } = stats;
  const inode = nlink > 1 ? `${dev}:${ino}` : undefined;
  return { type: 'file', path, size, atimeMs, mtimeMs, ctimeMs, ino, inode };
}

/** What is neither a file nor to be left out. */
function lookAtOther(entry: string | Buffer, path: ByteString): MountEntry | undefined {
  const stats = lstatSync(entry, { bigint: true });
  const attributes = mountAttributes(stats);
  if (stats.isDirectory()) return { type: 'directory', path, attributes };
  if (!stats.isSymbolicLink()) return undefined;
  return { type: 'symlink', path, attributes, target: readlinkSync(entry, 'latin1') };
}

const entryAt = (walker: Walker, directory: ByteString, name: ByteString) =>
  fsPath(entryPath(walker.at(directory), name));

function look(walker: Walker, directory: ByteString, name: ByteString): MountEntry | undefined {
  const entry = entryAt(walker, directory, name);
  const stats = lstatSync(entry, { throwIfNoEntry: false });
  const path = pathBelow(directory, name);
  return stats?.isFile() ? foundFile(path, stats) : lookAtOther(entry, path);
}

function lookAtAll(
  names: readonly ByteString[],
  lookAt: (name: ByteString, index: number) => MountEntry | undefined,
): MountEntry[] {
  const entries: MountEntry[] = [];
  for (const [index, name] of names.entries()) {
    const entry = unlessGone(() => lookAt(name, index));
    if (entry) entries.push(entry);
  }
  return entries;
}

function list(walker: Walker, directory: ByteString): MountEntry[] {
  const names = unlessGone(() => readdirSync(walker.at(directory).path, 'latin1')) ?? [];
  return lookAtAll(names.sort(), (name) => look(walker, directory, name));
}

/** Owner and permissions of a mount's own directory. @param root trusted path */
export function rootAttributes(root: string): Omit<MountAttributes, 'mtime'> {
  const { mode, uid, gid } = mountAttributes(lstatSync(root, { bigint: true }));
  return { mode, uid, gid };
}

/** Gives a mount's own directory what it had. @param root trusted path */
export function setRoot(root: string, attributes: Omit<MountAttributes, 'mtime'>): void {
  const directory = openRoot(root);
  try {
    setDirectory(directory, attributes);
  } finally {
    closeDirectory(directory);
  }
}

/** A directory of a mount, with what lstat says of all that is in it. */
export interface ScannedGroup {
  /** Of the directory, relative to the mount. */
  readonly path: ByteString;
  /** SHA-256 of the names and of what lstat says of them; undefined where nobody summed it up. */
  readonly seen: string | undefined;
  /** When something in it was changed last: ms since the epoch. */
  readonly changedMs: number;
  /** Names. */
  readonly count: number;
  /** Bytes of the files. */
  readonly bytes: number;
  /** Is there a file with several names? */
  readonly hasLinks: boolean;
  /** Made anew each time: objects of 20,000 files take longer than all the rest. */
  readonly entries: () => MountEntry[];
}

/** Everything in a mount. */
export function allEntries(groups: readonly ScannedGroup[]): MountEntry[] {
  return groups.flatMap(({ entries }) => entries());
}

function listedGroup(path: ByteString, entries: readonly MountEntry[]): ScannedGroup {
  const files = entries.filter((entry) => entry.type === 'file');
  return {
    path,
    seen: undefined,
    changedMs: files.reduce((newest, { ctimeMs }) => Math.max(newest, ctimeMs), 0),
    count: entries.length,
    bytes: files.reduce((sum, { size }) => sum + size, 0),
    hasLinks: files.some(({ inode }) => inode !== undefined),
    entries: () => [...entries],
  };
}

/** Names that wiac-sys gave. */
function namesOf({ names, count }: ListedDirectory): ByteString[] {
  return count === 0 ? [] : names.toString('latin1', 0, names.length - 1).split('\0');
}

function entriesOf(root: string, directory: ByteString, listed: ListedDirectory): MountEntry[] {
  const { names, fields, others, accessed } = listed;
  const walker = openWalker(root, 'bytes');
  try {
    const entries = lookAtAll(namesOf(listed), (name, index) => {
      const field = (number: number) => fields[index * LISTED_FIELDS + number] as number;
      const other = (number: number) => others[index * LISTED_OTHERS + number] as number;
      const path = pathBelow(directory, name);
      if ((other(0) & S_IFMT) !== S_IFREG)
        return lookAtOther(entryAt(walker, directory, name), path);
      return foundFile(path, {
        ino: field(1),
        dev: field(2),
        ctimeMs: field(3),
        size: other(1),
        mtimeMs: other(2),
        nlink: other(3),
        atimeMs: accessed[index] as number,
      });
    });
    // They are in the order of text: that of bytes is another one.
    return names.some((byte) => byte > 0x7f)
      ? entries.sort((a, b) => (a.path < b.path ? -1 : 1))
      : entries;
  } finally {
    walker.close();
  }
}

/** What wiac-sys said of a directory. */
function numberedGroup(root: string, path: ByteString, listed: ListedDirectory): ScannedGroup {
  const { names, fields, others, accessed, count } = listed;
  let [changedMs, bytes, hasLinks] = [0, 0, false];
  for (let index = 0; index < count; index += 1) {
    changedMs = Math.max(changedMs, fields[index * LISTED_FIELDS + 3] as number);
    const at = index * LISTED_OTHERS;
    if (((others[at] as number) & S_IFMT) !== S_IFREG) continue;
    bytes += others[at + 1] as number;
    hasLinks ||= (others[at + 3] as number) > 1;
  }
  const hash = createHash('sha256');
  for (const part of [names, fields, others, accessed]) hash.update(part);
  const seen = hash.digest('hex');
  const entries = () => entriesOf(root, path, listed);
  return { path, seen, changedMs, count, bytes, hasLinks, entries };
}

function directoriesIn(path: ByteString, listed: ListedDirectory): ByteString[] {
  const isDirectory = (_: unknown, index: number) =>
    ((listed.others[index * LISTED_OTHERS] as number) & S_IFMT) === S_IFDIR;
  const places = Array.from({ length: listed.count });
  if (!places.some(isDirectory)) return [];
  const paths = namesOf(listed).filter(isDirectory);
  return paths.sort().map((name) => pathBelow(path, name));
}

/** So many directories are listed sooner than wiac-sys is started for them. */
const FEW = 16;

/** Directories of one request: the threads of wiac-sys share the others. */
const AT_ONCE = 32;

/** What wiac-sys says of directories; where it says nothing, the file system is asked again. */
async function listAtOnce(
  root: string,
  paths: readonly ByteString[],
): Promise<(ListedDirectory | undefined)[]> {
  if (paths.length <= FEW) return [];
  const requests: Promise<(ListedDirectory | undefined)[]>[] = [];
  for (let first = 0; first < paths.length; first += AT_ONCE)
    requests.push(listDirectories(root, paths.slice(first, first + AT_ONCE).map(fsPath)));
  try {
    return (await Promise.all(requests)).flat();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    return [];
  }
}

/**
 * Everything below a mount's directory, parents before what is in them.
 * @param root trusted path
 * @throws the file system's errors, IsolationError; UnsupportedError when directories are nested too deep
 */
export async function scanMount(root: string): Promise<ScannedGroup[]> {
  const walker = openWalker(root, 'bytes');
  try {
    const groups: ScannedGroup[] = [];
    for (let level: ByteString[] = ['']; level.length > 0; ) {
      const known = await listAtOnce(root, level);
      const next: ByteString[] = [];
      for (const [index, path] of level.entries()) {
        const one = known[index];
        if (one) {
          groups.push(numberedGroup(root, path, one));
          next.push(...directoriesIn(path, one));
          continue;
        }
        const entries = list(walker, path);
        groups.push(listedGroup(path, entries));
        for (const entry of entries) if (entry.type === 'directory') next.push(entry.path);
      }
      level = next;
    }
    return groups;
  } finally {
    walker.close();
  }
}
