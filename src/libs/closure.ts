/**
 * Everything a program needs to run in an empty root: its dynamic linker and shared libraries,
 * recursively, found as the linker finds them. No program is run for it (ldd runs them), so what a
 * program opens later by itself (dlopen: NSS, locales, plug-ins) is not part of it.
 */
import { realpathSync, statSync } from 'node:fs';
import { basename, isAbsolute } from 'node:path';
import { NotFoundError, UsageError } from '../util/errors.js';
import { statNamed } from '../util/stat-named.js';
import type { ElfFile } from './elf.js';
import { readElf } from './elf.js';
import { readLoaderCache } from './ldcache.js';
import type { Loaded, Located, SystemConfiguration } from './locate.js';
import { locateLibrary } from './locate.js';
import { readShebang } from './script.js';
import type { Loader } from './search-path.js';
import { describeLoader } from './search-path.js';

/** A file that has to be there. */
export interface LibraryFile {
  /**
   * Absolute path at which the program, the linker or the kernel looks for it: as PT_INTERP, the
   * `#!` line or the search path spell it, without `.` and `..`, symbolic links not followed.
   */
  readonly path: string;
  /** The regular file of this machine that is found there, symbolic links followed. */
  readonly target: string;
  /** Who asked for it first. */
  readonly neededBy: string;
  /**
   * `loader-config` is /etc/ld.so.cache or musl's path file. It is listed only when a library lies
   * where the linker would not look without it; a layer on top of another system may rather keep
   * the file which is there.
   */
  readonly kind: 'loader' | 'library' | 'script-interpreter' | 'loader-config';
}

const SYSTEM = { cachePath: '/etc/ld.so.cache', configPath: '/etc/ld.so.conf' } as const;

/** Where `env` looks in a container: the PATH that Docker sets when an image has none. */
const CONTAINER_PATH = [
  '/usr/local/sbin',
  '/usr/local/bin',
  '/usr/sbin',
  '/usr/bin',
  '/sbin',
  '/bin',
];

/** Names that musl's linker answers itself, whatever their version: all of libc is one file. */
const MUSL_OWN = /^lib(?:c|pthread|rt|m|dl|util|xnet)\./;

interface Search {
  readonly found: Map<string, LibraryFile>;
  readonly elfFiles: Map<string, ElfFile | undefined>;
  readonly system: SystemConfiguration;
}

/** What one process has loaded. */
interface Process {
  readonly loader: Loader;
  /** Needed names and sonames: a library that is there by either is not looked for again. */
  readonly names: Set<string>;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function elfOf(search: Search, path: string): ElfFile | undefined {
  const target = realpathSync(path);
  if (!search.elfFiles.has(target)) search.elfFiles.set(target, readElf(target));
  return search.elfFiles.get(target);
}

function fits(search: Search, path: string, elf: ElfFile): boolean {
  if (!isFile(path)) return false;
  const library = elfOf(search, path);
  return (
    library?.machine === elf.machine &&
    library.bits === elf.bits &&
    library.littleEndian === elf.littleEndian
  );
}

function add(search: Search, file: LibraryFile): void {
  if (!search.found.has(file.path)) search.found.set(file.path, file);
}

/** The real file behind a path that the kernel opens: a linker or an interpreter. */
function kernelTarget(path: string, neededBy: string): string {
  if (!isAbsolute(path)) {
    throw new UsageError(
      `${neededBy} needs ${path} by a path relative to where it will be started`,
    );
  }
  if (!isFile(path)) throw new NotFoundError(`${path}, which ${neededBy} needs, does not exist`);
  return realpathSync(path);
}

function addLocated(search: Search, located: Located, neededBy: string): void {
  const { configuration } = located;
  add(search, {
    path: located.layerPath,
    target: realpathSync(located.path),
    neededBy,
    kind: 'library',
  });
  if (configuration === undefined) return;
  add(search, {
    path: configuration,
    target: realpathSync(configuration),
    neededBy: located.layerPath,
    kind: 'loader-config',
  });
}

function isLoaded({ loader, names }: Process, name: string): boolean {
  return names.has(name) || (loader.muslPathFile !== undefined && MUSL_OWN.test(name));
}

function remember({ loader, names }: Process, name: string, elf: ElfFile): void {
  names.add(name);
  // musl compares the names under which files were opened and never reads a soname.
  if (loader.muslPathFile === undefined && elf.soname !== undefined) names.add(elf.soname);
}

/**
 * Breadth first, as linkers load: the file that comes first in this order decides by its search
 * path which of two libraries of one name is taken for all.
 */
function visitLibraries(search: Search, running: Process, program: Loaded): void {
  const queue: Loaded[] = [program];
  for (const by of queue) {
    for (const name of by.elf.needed) {
      if (isLoaded(running, name)) continue;
      const located = locateLibrary(name, by, running.loader, search.system, (path, elf) =>
        fits(search, path, elf),
      );
      const elf = elfOf(search, located.path);
      if (!elf) continue;
      remember(running, name, elf);
      addLocated(search, located, by.path);
      queue.push({ path: located.path, layerPath: located.layerPath, elf, parent: by });
    }
  }
}

function visitElf(search: Search, elf: ElfFile, path: string, layerPath: string): void {
  const { interpreter } = elf;
  const running: Process = { loader: describeLoader(interpreter, elf), names: new Set() };
  if (interpreter !== undefined) {
    const target = kernelTarget(interpreter, path);
    add(search, { path: interpreter, target, neededBy: path, kind: 'loader' });
    // libc needs the linker by name; it is loaded already, from the path in PT_INTERP.
    const loaderElf = elfOf(search, target);
    if (loaderElf) remember(running, basename(interpreter), loaderElf);
  }
  visitLibraries(search, running, { path, layerPath, elf, parent: undefined });
}

function visitInterpreter(search: Search, interpreter: string, script: string): void {
  if (search.found.has(interpreter)) return;
  const target = kernelTarget(interpreter, script);
  add(search, { path: interpreter, target, neededBy: script, kind: 'script-interpreter' });
  visitProgram(search, target, interpreter);
}

function visitScript(search: Search, path: string): void {
  const shebang = readShebang(path);
  if (!shebang) return;
  visitInterpreter(search, shebang.interpreter, path);
  const { lookedUp } = shebang;
  if (lookedUp === undefined) return;
  const program = isAbsolute(lookedUp)
    ? lookedUp
    : CONTAINER_PATH.map((directory) => `${directory}/${lookedUp}`).find(isFile);
  if (program === undefined) {
    throw new NotFoundError(
      `${lookedUp}, which ${path} needs, was not found in ${CONTAINER_PATH.join(', ')}`,
    );
  }
  visitInterpreter(search, program, path);
}

function visitProgram(search: Search, path: string, layerPath: string): void {
  const elf = elfOf(search, path);
  if (elf) visitElf(search, elf, path, layerPath);
  else visitScript(search, path);
}

/**
 * The files that programs need besides themselves, in the order in which they are found, each
 * `path` once. Static programs and files that are neither ELF nor script need none.
 *
 * Copying the content of each `target` as a regular file to its `path` is enough for the programs
 * to start in an empty root. Every `path` is one that is really opened, so a merged /usr needs no
 * symbolic links there (/lib64/ld-linux-x86-64.so.2 becomes a file in a directory /lib64), and in
 * a root that has those links they may be followed. Two items can share a `target`, where one file
 * is looked for at two paths.
 *
 * `$ORIGIN` of a program is the directory of its real file on this machine: one with such a search
 * path has to be copied to its own path.
 * @throws NotFoundError for a program, library or interpreter that is nowhere; UsageError for a
 *   damaged ELF file, something that is not a regular file, and needs given by relative paths
 */
export function libraryClosure(programs: readonly string[]): LibraryFile[] {
  const cache = readLoaderCache(SYSTEM.cachePath);
  const search: Search = { found: new Map(), elfFiles: new Map(), system: { ...SYSTEM, cache } };
  for (const program of programs) {
    const status = statNamed(program);
    if (!status) throw new NotFoundError(`the program ${program} does not exist`);
    if (!status.isFile()) throw new UsageError(`${program} is not a regular file`);
    const path = realpathSync(program);
    visitProgram(search, path, path);
  }
  return [...search.found.values()];
}
