/**
 * Where a standalone executable has the files that need a path: programs to be executed, an addon to
 * be linked, what threads read. They are written once, to a directory that nobody else may change,
 * and are compared with the executable's own bytes before each use.
 */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/** A file that comes with wiac. */
export interface Part {
  readonly name: string;
  readonly isProgram: boolean;
}

/** The files, and what they are written from: comparing 2 MB takes less time than their digests, 0.5 ms against 3. */
export interface Parts {
  /** Name of their directory: another one for each version of them. */
  readonly directory: string;
  readonly files: readonly Part[];
  readonly read: (name: string) => Uint8Array;
}

const PRIVATE = 0o700;
const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;

/** Whose files are those of others in a user namespace, root's among them. */
const OVERFLOW_UID = 65534;

/**
 * Can nobody but this user and root replace this directory, or what is in it? Directories above are
 * asked too: who may write to one can put something else in the place of all below.
 */
function isTrusted(directory: string, uid: number): boolean {
  const stats = lstatSync(directory);
  if (!stats.isDirectory() || ![0, uid, OVERFLOW_UID].includes(stats.uid)) return false;
  return (stats.mode & WRITABLE_BY_OTHERS) === 0 && isTrustedAbove(dirname(directory), uid);
}

/** In a directory with the sticky bit, as /tmp is, nobody renames what belongs to others. */
function isTrustedAbove(directory: string, uid: number): boolean {
  const { mode, uid: owner } = lstatSync(directory);
  const isClosed = (mode & WRITABLE_BY_OTHERS) === 0 || (mode & STICKY) !== 0;
  if (!isClosed || ![0, uid, OVERFLOW_UID].includes(owner)) return false;
  return dirname(directory) === directory || isTrustedAbove(dirname(directory), uid);
}

/** @throws when a file is missing, is not what it should be, or may not be executed there */
function checkFiles(directory: string, { files, read }: Parts): void {
  for (const { name, isProgram } of files) {
    const path = join(directory, name);
    if (!readFileSync(path).equals(read(name))) throw new Error(`${path} is damaged`);
    // The kernel says no where the file system is mounted noexec, too.
    if (isProgram) accessSync(path, constants.X_OK);
  }
}

/** @returns the directory, if all files are in it and it is to be trusted */
function findIn(place: string, parts: Parts, uid: number): string | undefined {
  try {
    const directory = join(realpathSync(place), parts.directory);
    if (!isTrusted(directory, uid)) return undefined;
    checkFiles(directory, parts);
    return directory;
  } catch {
    return undefined;
  }
}

function writeParts(directory: string, { files, read }: Parts): void {
  for (const { name, isProgram } of files) {
    const file = openSync(join(directory, name), 'wx', isProgram ? 0o755 : 0o644);
    try {
      const bytes = read(name);
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }
}

/** Gives the directory its name, in the place of a damaged one. */
function putInPlace(unfinished: string, directory: string, isThere: () => boolean): void {
  try {
    renameSync(unfinished, directory);
  } catch {
    // What another process has made in the meantime is as good, and may be in use.
    if (isThere()) return;
    rmSync(directory, { recursive: true, force: true });
    renameSync(unfinished, directory);
  }
}

/** Not Node's `recursive`: below /proc that goes on for ever. */
function makeDirectory(path: string): void {
  if (!existsSync(path)) mkdirSync(path, { mode: PRIVATE });
}

/** Writes the files to a directory that gets its name when it is whole. */
function makeIn(place: string, parts: Parts, uid: number): string | undefined {
  let unfinished: string | undefined;
  try {
    makeDirectory(dirname(place));
    makeDirectory(place);
    const real = realpathSync(place);
    if (!isTrusted(real, uid)) return undefined;
    unfinished = mkdtempSync(join(real, '.unfinished-'));
    writeParts(unfinished, parts);
    const isThere = () => findIn(real, parts, uid) !== undefined;
    putInPlace(unfinished, join(real, parts.directory), isThere);
  } catch {
    // Read-only, or full: there are other places.
  } finally {
    if (unfinished !== undefined) rmSync(unfinished, { recursive: true, force: true });
  }
  return findIn(place, parts, uid);
}

/**
 * The directory with the files: one that is there, or one that is made now.
 * @param installed where a package may have put it
 * @param places where it may be made, best first
 * @param uid the user as whom this process works
 * @returns undefined when none of the places will do
 */
export function privateDirectory(
  parts: Parts,
  installed: string,
  places: readonly string[],
  uid: number,
): string | undefined {
  for (const place of [installed, ...places]) {
    const found = findIn(place, parts, uid);
    if (found !== undefined) return found;
  }
  for (const place of places) {
    const made = makeIn(place, parts, uid);
    if (made !== undefined) return made;
  }
  return undefined;
}

/**
 * A directory with the files for this process alone.
 * @param temporary where it is made; whoever calls this removes it
 * @throws system errors
 */
export function temporaryDirectory(parts: Parts, temporary: string): string {
  const directory = mkdtempSync(join(temporary, 'wiac-'));
  writeParts(directory, parts);
  return directory;
}

/**
 * Where a user's own files of this kind are kept.
 * @param env the environment
 * @param uid the user as whom this process works
 */
export function cachePlaces(env: NodeJS.ProcessEnv, uid: number): readonly string[] {
  const { XDG_CACHE_HOME: cache, HOME: home } = env;
  const usual = [
    ...(uid === 0 ? ['/var/cache'] : []),
    ...(home?.startsWith('/') ? [join(home, '.cache')] : []),
  ];
  const places = cache?.startsWith('/') ? [cache] : usual;
  return places.map((place) => join(place, 'wiac'));
}
