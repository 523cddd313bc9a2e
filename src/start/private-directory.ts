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
  readdirSync,
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

/** Unfinished directories that are older belong to no process that still writes. ms */
const ABANDONED_MS = 3_600_000;

const UNFINISHED = '.unfinished-';

/** Whose files are those of all users that a user namespace has no number for, root's among them. */
const OVERFLOW_UID = 65534;

/** Who asks, and what is known already. */
export interface Asker {
  /** The user as whom this process works. */
  readonly uid: number;
  /** Has another numbers of users than the machine: root's files look like those of strangers. */
  readonly isInUserNamespace: boolean;
  /** A directory that the process which started this one has checked, where users had their own numbers. */
  readonly checked: string | undefined;
}

function isOwner(uid: number, asker: Asker, isOverflow: boolean): boolean {
  return uid === 0 || uid === asker.uid || (isOverflow && uid === OVERFLOW_UID);
}

/**
 * Can nobody but this user and root replace this directory, or what is in it? Directories above are
 * asked too: who may write to one can put something else in the place of all below.
 */
function isTrusted(directory: string, asker: Asker): boolean {
  const stats = lstatSync(directory);
  const isChecked = asker.isInUserNamespace && asker.checked === directory;
  if (!stats.isDirectory() || !isOwner(stats.uid, asker, isChecked)) return false;
  return (stats.mode & WRITABLE_BY_OTHERS) === 0 && isTrustedAbove(dirname(directory), asker);
}

/**
 * In a directory with the sticky bit, as /tmp is, nobody renames what belongs to others. Nobody but
 * its owner changes a symbolic link, whatever its mode says.
 */
function isTrustedAbove(directory: string, asker: Asker): boolean {
  const stats = lstatSync(directory);
  const { mode, uid } = stats;
  const isOpen = (mode & WRITABLE_BY_OTHERS) !== 0 && (mode & STICKY) === 0;
  if (isOpen && !stats.isSymbolicLink()) return false;
  if (!isOwner(uid, asker, asker.isInUserNamespace)) return false;
  return dirname(directory) === directory || isTrustedAbove(dirname(directory), asker);
}

/** May something be made here: is it where the path says, and will it stay there? */
function mayMakeIn(directory: string, asker: Asker): boolean {
  return isTrustedAbove(directory, asker) && isTrustedAbove(realpathSync(directory), asker);
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
function findIn(place: string, parts: Parts, asker: Asker): string | undefined {
  try {
    const directory = join(realpathSync(place), parts.directory);
    return checked(directory, parts, asker);
  } catch {
    return undefined;
  }
}

/** @throws system errors, as it is where there is nothing */
function checked(directory: string, parts: Parts, asker: Asker): string | undefined {
  if (!isTrusted(directory, asker)) return undefined;
  checkFiles(directory, parts);
  return directory;
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
    const aside = mkdtempSync(join(dirname(directory), UNFINISHED));
    try {
      // Two renames: processes that use what is whole in there miss it for no longer than that.
      renameSync(directory, join(aside, 'damaged'));
      renameSync(unfinished, directory);
    } finally {
      rmSync(aside, { recursive: true, force: true });
    }
  }
}

/** Not Node's `recursive`: below /proc that goes on for ever. @throws where others could have a say in what is made */
function makeDirectory(path: string, asker: Asker): void {
  if (existsSync(path)) return;
  if (!mayMakeIn(dirname(path), asker)) throw new Error(`others may write to ${dirname(path)}`);
  mkdirSync(path, { mode: PRIVATE });
}

/** Removes what processes left that were killed while they wrote. */
function removeAbandoned(place: string): void {
  for (const name of readdirSync(place)) {
    const path = join(place, name);
    if (name.startsWith(UNFINISHED) && Date.now() - lstatSync(path).mtimeMs > ABANDONED_MS)
      rmSync(path, { recursive: true, force: true });
  }
}

/** Writes the files to a directory that gets its name when it is whole. */
function makeIn(place: string, parts: Parts, asker: Asker): string | undefined {
  let unfinished: string | undefined;
  try {
    makeDirectory(dirname(place), asker);
    makeDirectory(place, asker);
    const real = realpathSync(place);
    if (!isTrusted(real, asker)) return undefined;
    removeAbandoned(real);
    unfinished = mkdtempSync(join(real, UNFINISHED));
    writeParts(unfinished, parts);
    const isThere = () => findIn(real, parts, asker) !== undefined;
    putInPlace(unfinished, join(real, parts.directory), isThere);
  } catch {
    // Read-only, or full: there are other places.
  } finally {
    if (unfinished !== undefined) rmSync(unfinished, { recursive: true, force: true });
  }
  return findIn(place, parts, asker);
}

/** @returns the directory that the process which started this one uses, if it is still as it was */
function findChecked(parts: Parts, asker: Asker): string | undefined {
  try {
    // The environment says so: a relative path, or one through links, has not been checked.
    const isReal = asker.checked !== undefined && realpathSync(asker.checked) === asker.checked;
    return isReal ? checked(asker.checked, parts, asker) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The directory with the files: one that is there, or one that is made now.
 * @param installed where a package may have put it
 * @param places where it may be made, best first
 * @returns undefined when none of the places will do
 */
export function privateDirectory(
  parts: Parts,
  installed: string,
  places: readonly string[],
  asker: Asker,
): string | undefined {
  const known = findChecked(parts, asker);
  if (known !== undefined) return known;
  for (const place of [installed, ...places]) {
    const found = findIn(place, parts, asker);
    if (found !== undefined) return found;
  }
  for (const place of places) {
    const made = makeIn(place, parts, asker);
    if (made !== undefined) return made;
  }
  return undefined;
}

/**
 * A directory with the files for this process alone.
 * @param temporary where it is made; whoever calls this removes it
 * @throws system errors; an error when others may replace what is made there, or no program may be executed
 */
export function temporaryDirectory(parts: Parts, temporary: string, asker: Asker): string {
  if (!mayMakeIn(temporary, asker)) throw new Error(`others may write to ${temporary}`);
  const directory = mkdtempSync(join(realpathSync(temporary), 'wiac-'));
  try {
    writeParts(directory, parts);
    checkFiles(directory, parts);
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
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
