/**
 * Extended attributes, through getfattr(1) and setfattr(1): Node has no call for them, and the
 * files that have any are few, so that one process for all of them is cheap.
 */
import { basename } from 'node:path';
import { IsolationError } from '../../util/errors.js';
import type { Directory } from '../directory.js';
import { closeDirectory, openRoot } from '../directory.js';
import { parentPath } from '../tree-path.js';
import type { Walkers } from '../walker.js';
import { withWalkers } from '../walker.js';
import type { Place } from './file-source.js';
import type { Xattrs } from './tree.js';

/** overlayfs's own marks are part of the layer format, not of the files. */
const OVERLAY = /^(trusted|user)\.overlay\./;
/** SELinux labels belong to this machine's policy, as BuildKit and tar leave them out. */
const HOST_ONLY = /^security\.selinux$/;
/** Names that are asked for (regcomp(3)); a label on each file would make a line for each file. */
export const ASKED = '^(user|trusted|system)\\.|^security\\.([^s]|s[^e])';

/** How names are read: as text, or byte by byte (`latin1`) since not every name is text. */
export type NameEncoding = 'utf8' | 'latin1';

function unescapePath(text: string, encoding: NameEncoding): string {
  // getfattr writes bytes that would break its line format as backslash and three octal digits.
  if (!text.includes('\\')) return text;
  const bytes: number[] = [];
  const raw = Buffer.from(text, encoding);
  for (let at = 0; at < raw.length; at++) {
    const byte = raw[at] as number;
    const octal = byte === 0x5c ? raw.toString('latin1', at + 1, at + 4) : '';
    if (/^[0-7]{3}$/.test(octal)) {
      bytes.push(Number.parseInt(octal, 8));
      at += 3;
    } else bytes.push(byte);
  }
  return Buffer.from(bytes).toString(encoding);
}

/** getfattr's output: pairs by path, in the order of the files. */
export function parseDump(
  dump: string,
  encoding: NameEncoding = 'utf8',
): Map<string, (readonly [string, string])[]> {
  const all = new Map<string, (readonly [string, string])[]>();
  let current: (readonly [string, string])[] = [];
  for (const line of dump.split('\n')) {
    if (line.startsWith('# file: ')) {
      current = [];
      all.set(unescapePath(line.slice('# file: '.length), encoding), current);
    } else if (line !== '') {
      const at = line.indexOf('=');
      const name = at === -1 ? line : line.slice(0, at);
      const value = at === -1 ? '' : line.slice(at + 1).replace(/^0x/, '');
      current.push([unescapePath(name, encoding), value]);
    }
  }
  return all;
}

/**
 * Runs getfattr(1).
 * @param descriptors open directories, which it finds as `/proc/self/fd/3` and so on
 * @throws IsolationError when it is not installed
 */
export async function getfattr(
  flags: readonly string[],
  paths: readonly string[],
  encoding: NameEncoding = 'utf8',
  descriptors: readonly number[] = [],
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const { execa } = await import('execa');
  const result = await execa(
    'getfattr',
    ['--absolute-names', '-h', '-d', '-e', 'hex', ...flags, '--', ...paths],
    {
      reject: false,
      encoding,
      maxBuffer: 1 << 30,
      stripFinalNewline: false,
      env: { LC_ALL: 'C' },
      // They get the numbers from 3 on, in their order; execa takes any, its types list a few.
      stdio: ['ignore', 'pipe', 'pipe', ...(descriptors as readonly 3[])],
    },
  );
  if (result.exitCode === undefined) {
    throw new IsolationError('getfattr could not be started', {
      hint: 'install the package attr (apt-get install attr)',
      cause: result,
    });
  }
  // getfattr exits with 1 when one of many files vanished; the caller's own lstat reports that.
  return { stdout: result.stdout, stderr: result.stderr };
}

/** execve(2) takes 2 MiB of arguments in all; this leaves room for the environment. */
const MAX_ARGUMENT_BYTES = 1_000_000;

/** Splits paths so that each part fits one command line. */
export function* argumentBatches(paths: readonly string[]): Generator<string[]> {
  let batch: string[] = [];
  let bytes = 0;
  for (const path of paths) {
    // A pointer and a NUL for each argument count as well.
    const size = Buffer.byteLength(path) + 9;
    if (bytes + size > MAX_ARGUMENT_BYTES && batch.length > 0) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(path);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

/** What belongs to the file itself, of those that have anything. */
export function* keptXattrs(dump: ReadonlyMap<string, Xattrs>): Generator<[string, Xattrs]> {
  for (const [path, pairs] of dump) {
    const kept = pairs.filter(([name]) => !OVERLAY.test(name) && !HOST_ONLY.test(name));
    if (kept.length > 0) yield [path, [...kept].sort(([a], [b]) => (a < b ? -1 : 1))];
  }
}

/** Files of one directory. */
interface SameDirectory {
  readonly root: string;
  readonly path: string;
  readonly names: Map<string, Place>;
}

function byDirectory(places: readonly Place[]): SameDirectory[] {
  const groups = new Map<string, SameDirectory>();
  for (const place of places) {
    const path = parentPath(place.path);
    const key = `${place.root}\0${path}`;
    const group = groups.get(key) ?? { root: place.root, path, names: new Map() };
    groups.set(key, group);
    group.names.set(basename(place.path), place);
  }
  return [...groups.values()];
}

/** getfattr gets so many open directories at most. */
const MAX_DIRECTORIES = 200;

/** Descriptors 0 to 2 are those of every program. */
export const FIRST_DESCRIPTOR = 3;

/**
 * Asks for files of directories that getfattr inherits open: it never walks a path, on which
 * another process could put a symbolic link meanwhile.
 */
async function askDirectories(
  directories: readonly (SameDirectory & { readonly open: Directory })[],
  found: Map<Place, Xattrs>,
): Promise<void> {
  const asked = new Map<string, Place>();
  for (const [index, { names }] of directories.entries()) {
    for (const [name, place] of names)
      asked.set(`/proc/self/fd/${FIRST_DESCRIPTOR + index}/${name}`, place);
  }
  const descriptors = directories.map(({ open }) => open.fd);
  for (const batch of argumentBatches([...asked.keys()])) {
    const { stdout } = await getfattr(['-m', ASKED], batch, 'utf8', descriptors);
    const dump = parseDump(stdout);
    for (const [path, pairs] of keptXattrs(dump)) {
      const place = asked.get(path);
      if (place) found.set(place, pairs);
    }
  }
}

/**
 * Reads the extended attributes of files (not of what symlinks point to).
 * @returns only the files that have any; overlayfs's marks and SELinux labels are left out
 * @throws IsolationError when getfattr is not installed
 */
export async function readXattrs(places: readonly Place[]): Promise<Map<Place, Xattrs>> {
  const found = new Map<Place, Xattrs>();
  const groups = byDirectory(places);
  for (let at = 0; at < groups.length; at += MAX_DIRECTORIES) {
    const open = withWalkers((walkers) =>
      groups.slice(at, at + MAX_DIRECTORIES).flatMap((group) => {
        const directory = openAgain(walkers, group);
        return directory ? [{ ...group, open: directory }] : [];
      }),
    );
    try {
      await askDirectories(open, found);
    } finally {
      for (const { open: directory } of open) closeDirectory(directory);
    }
  }
  return found;
}

/** A directory that stays open; undefined when it is gone, with all that was in it. */
function openAgain(walkers: Walkers, { root, path }: SameDirectory): Directory | undefined {
  try {
    return openRoot(walkers.at(root, path).path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}
