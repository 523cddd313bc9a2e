/**
 * Directories that are held open, and single names below them. A name from a context, archive,
 * repository or registry is never joined to a path: the kernel would follow each symbolic link on
 * the way, and the owner of a directory can put a link there at any moment. Here each
 * component is opened by itself, from the descriptor of the directory that holds it, and a link in
 * its place is an error (open(2), O_NOFOLLOW). Node has no openat(2); `/proc/self/fd/N/NAME` is the
 * same: the kernel goes to the open directory itself, whatever its path leads to by now (proc(5)).
 */
import type { Dirent, Stats } from 'node:fs';
import { closeSync, constants, lstatSync, opendirSync, openSync, readdirSync } from 'node:fs';
import { fromByteString, fromBytes, fsPath, fsText, mayBeInexact } from '../util/byte-string.js';

/** open(2): a handle on the file itself, which needs no permission to read it. Node has no name for it. */
const O_PATH = 0o10000000;

const { O_DIRECTORY, O_NOFOLLOW } = constants;

/** How names are given: as text in UTF-8, or each byte as a character (byte-string.ts). */
export type NameForm = 'text' | 'bytes';

/** A directory that is held open. Everything below it is reached by `entryPath`. */
export interface Directory {
  readonly fd: number;
  /** `/proc/self/fd/N`: means this very directory, for this process only. */
  readonly path: string;
}

function directoryFor(fd: number): Directory {
  return { fd, path: `/proc/self/fd/${fd}` };
}

/**
 * Opens a directory by a path that is trusted: it is wiac's own, or the user has named it. Symbolic
 * links in it are followed.
 * @throws the file system's errors, ENOTDIR when it is no directory
 */
export function openRoot(path: string | Buffer): Directory {
  return directoryFor(openSync(path, O_PATH | O_DIRECTORY));
}

/**
 * The path of an entry of a directory, for functions that do not follow a link that is the last
 * component (lstat, readlink, mkdir, unlink, link, rename, lchown, open with O_NOFOLLOW).
 * @param name one component. Anything else is refused here, even if the caller should have refused it
 */
export function entryPath(directory: Directory, name: string): string {
  if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0')) {
    throw new Error(`${JSON.stringify(name)} is not the name of a file`);
  }
  return `${directory.path}/${name}`;
}

/** The same for a name that is text (fromBytes), in the form that Node's functions take. */
export function textEntry(directory: Directory, name: string): string | Buffer {
  return fsText(entryPath(directory, name));
}

/**
 * Opens a directory that is an entry of another one.
 * @throws ENOTDIR for a symbolic link as well
 */
export function openDirectory(
  parent: Directory,
  name: string,
  names: NameForm = 'text',
): Directory {
  const path = entryPath(parent, name);
  const flags = O_PATH | O_DIRECTORY | O_NOFOLLOW;
  return directoryFor(openSync(names === 'bytes' ? fsPath(path) : fsText(path), flags));
}

export function closeDirectory(directory: Directory): void {
  closeSync(directory.fd);
}

/** A name with what readdir(3) says of it. */
export interface ListedKind {
  readonly name: string;
  readonly isDevice: boolean;
  readonly isDirectory: boolean;
}

function kindOf(name: string, dirent: Dirent<string> | Dirent<Buffer>): ListedKind {
  return { name, isDevice: dirent.isCharacterDevice(), isDirectory: dirent.isDirectory() };
}

/** Names in a directory (fromBytes), in no particular order. @throws EACCES when it may not be read */
export function listNames({ path }: Directory): string[] {
  const names = readdirSync(path);
  return names.some(mayBeInexact) ? readdirSync(path, 'buffer').map(fromBytes) : names;
}

/** Names in a directory, with what readdir(3) says of them. */
export function listKinds({ path }: Directory): ListedKind[] {
  const listed = readdirSync(path, { withFileTypes: true });
  if (!listed.some(({ name }) => mayBeInexact(name)))
    return listed.map((dirent) => kindOf(dirent.name, dirent));
  const exact = readdirSync(path, { withFileTypes: true, encoding: 'buffer' });
  return exact.map((dirent) => kindOf(fromBytes(dirent.name), dirent));
}

/** Names in a directory (fromBytes) in the file system's own order; Node sorts them everywhere else. */
export function listAsStored(directory: Directory): { name: string; isDirectory: boolean }[] {
  const open = opendirSync(directory.path, { encoding: 'latin1' });
  try {
    const found: { name: string; isDirectory: boolean }[] = [];
    for (let entry = open.readSync(); entry; entry = open.readSync())
      found.push({ name: fromByteString(entry.name), isDirectory: entry.isDirectory() });
    return found;
  } finally {
    open.closeSync();
  }
}

/** lstat(2) of an entry; undefined when it is not there (any more). */
export function lstatEntry(directory: Directory, name: string): Stats | undefined {
  return lstatSync(textEntry(directory, name), { throwIfNoEntry: false });
}
