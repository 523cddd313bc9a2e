/**
 * Writes single entries of a directory that is held open. An existing entry is replaced or
 * refused, never written through: not a symbolic link, not a second name of a file elsewhere.
 */
import type { Stats } from 'node:fs';
import {
  chmodSync,
  chownSync,
  constants,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
} from 'node:fs';
import { fsText } from '../util/byte-string.js';
import { fileTime } from '../util/file-time.js';
import type { Directory } from './directory.js';
import { lstatEntry, textEntry } from './directory.js';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

/** Owner and permission bits of a file or directory. */
export interface EntryAttributes {
  /** 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

const getCode = (error: unknown) => (error as NodeJS.ErrnoException).code;

/** Calls `make`; where something is in the way that is no directory, it is removed first. */
function makeAnew<T>(directory: Directory, name: string, make: (path: string | Buffer) => T): T {
  const path = textEntry(directory, name);
  try {
    return make(path);
  } catch (error) {
    if (getCode(error) !== 'EEXIST') throw error;
    unlinkSync(path);
    return make(path);
  }
}

/**
 * Makes a new, empty file, and opens it for writing.
 * @throws EISDIR when a directory is in the way
 */
export function createFile(directory: Directory, name: string, mode: number): number {
  const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
  return makeAnew(directory, name, (path) => openSync(path, flags, mode));
}

/** Makes a symbolic link. @param target as readLink gives it */
export function createLink(directory: Directory, name: string, target: string): void {
  makeAnew(directory, name, (path) => symlinkSync(fsText(target), path));
}

/** Makes one more name for a file; a symbolic link is not followed. */
export function linkEntry(
  from: Directory,
  fromName: string,
  directory: Directory,
  name: string,
): void {
  const source = textEntry(from, fromName);
  makeAnew(directory, name, (path) => linkSync(source, path));
}

/** Removes an entry that is no directory, if it is there. */
export function removeEntry(directory: Directory, name: string): void {
  try {
    unlinkSync(textEntry(directory, name));
  } catch (error) {
    if (getCode(error) !== 'ENOENT') throw error;
  }
}

/**
 * Makes a directory if there is none.
 * @returns false when it was there
 * @throws EEXIST when something else has its name
 */
export function ensureEntry(directory: Directory, name: string): boolean {
  try {
    mkdirSync(textEntry(directory, name), { mode: 0o755 });
    return true;
  } catch (error) {
    if (getCode(error) === 'EEXIST' && lstatEntry(directory, name)?.isDirectory()) return false;
    throw error;
  }
}

/** Gives a directory that is open its owner and permissions; chown(2) clears setgid, so it is first. */
export function setDirectory(directory: Directory, { mode, uid, gid }: EntryAttributes): void {
  chownSync(directory.path, uid, gid);
  chmodSync(directory.path, mode);
}

/** Gives a directory that is open its time, in milliseconds since the epoch. */
export function setDirectoryTime(directory: Directory, mtimeMs: number): void {
  const time = fileTime(mtimeMs / 1000);
  utimesSync(directory.path, time, time);
}

/** Gives an entry that is no directory its time; a symbolic link is not followed. */
export function setEntryTime(directory: Directory, name: string, mtimeMs: number): void {
  const time = fileTime(mtimeMs / 1000);
  lutimesSync(textEntry(directory, name), time, time);
}

/** Gives an entry its owner; a symbolic link is not followed. */
export function setEntryOwner(directory: Directory, name: string, uid: number, gid: number): void {
  lchownSync(textEntry(directory, name), uid, gid);
}

/** Owner of a new file in a directory, unless the caller sets another one. */
export function newFileOwner({ mode, gid }: Stats): { uid: number; gid: number } {
  const inherited = (mode & 0o2000) !== 0;
  return { uid: process.geteuid?.() ?? 0, gid: inherited ? gid : (process.getegid?.() ?? 0) };
}
