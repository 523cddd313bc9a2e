/**
 * Everything a program needs to run in an empty root: its dynamic linker and shared libraries,
 * recursively, found as ld.so(8) finds them. No program is run for it (ldd runs them).
 */
import { closeSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { NotFoundError } from '../errors.js';
import type { ElfFile } from './elf.js';
import { readElf } from './elf.js';
import { muslDirectories, systemDirectories } from './search-path.js';

/** A file that has to be there. */
export interface LibraryFile {
  /** Where the program or the dynamic linker looks for it. */
  readonly path: string;
  /** The file of this machine that is found there, symbolic links followed. */
  readonly target: string;
  /** Who asked for it first. */
  readonly neededBy: string;
}

interface Search {
  readonly found: Map<string, LibraryFile>;
  readonly systemDirectories: readonly string[];
}

/** `$ORIGIN` is the directory of the file that holds the path; `$LIB` lib or lib64. */
function expandToken(path: string, origin: string, elf: ElfFile): string[] {
  const libs = elf.bits === 64 ? ['lib64', 'lib', 'lib/x86_64-linux-gnu'] : ['lib'];
  const withOrigin = path.replace(/\$(ORIGIN|\{ORIGIN\})/g, origin);
  if (!/\$(LIB|\{LIB\})/.test(withOrigin)) return [withOrigin];
  return libs.map((lib) => withOrigin.replace(/\$(LIB|\{LIB\})/g, lib));
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

/** A library for another machine on the way is passed over, as the linker does. */
function fits(path: string, elf: ElfFile): boolean {
  if (!isFile(path)) return false;
  const library = readElf(path);
  return (
    library?.machine === elf.machine &&
    library.bits === elf.bits &&
    library.littleEndian === elf.littleEndian
  );
}

/** Search paths of the files that lead to a library: the file's own come first. */
interface Origin {
  readonly path: string;
  readonly elf: ElfFile;
  readonly parent: Origin | undefined;
}

function rpaths(origin: Origin): string[] {
  // A RUNPATH switches every RPATH off, and counts for the file's own needs alone.
  if (origin.elf.runpath.length > 0) {
    return origin.elf.runpath.flatMap((path) =>
      expandToken(path, dirname(origin.path), origin.elf),
    );
  }
  const all: string[] = [];
  for (let at: Origin | undefined = origin; at; at = at.parent) {
    const { path, elf } = at;
    if (elf.runpath.length === 0)
      all.push(...elf.rpath.flatMap((item) => expandToken(item, dirname(path), elf)));
  }
  return all;
}

function locateLibrary(search: Search, name: string, origin: Origin, interpreter: string): string {
  if (name.includes('/')) return name;
  const system = /ld-musl-/.test(interpreter)
    ? muslDirectories(interpreter)
    : search.systemDirectories;
  const directories = [...rpaths(origin), ...system];
  const directory = directories.find((item) => fits(join(item, name), origin.elf));
  if (directory !== undefined) return join(directory, name);
  throw new NotFoundError(`the library ${name}, which ${origin.path} needs, was not found`, {
    hint: `looked in ${directories.join(', ')}`,
  });
}

function add(search: Search, path: string, neededBy: string): string | undefined {
  if (search.found.has(path)) return undefined;
  if (!isFile(path)) {
    throw new NotFoundError(`${path}, which ${neededBy} needs, does not exist`);
  }
  const target = realpathSync(path);
  search.found.set(path, { path, target, neededBy });
  return target;
}

function visit(search: Search, origin: Origin, interpreter: string): void {
  for (const name of origin.elf.needed) {
    // libc needs the dynamic linker, which is there already: it runs the program.
    if (name === basename(interpreter)) continue;
    const path = locateLibrary(search, name, origin, interpreter);
    const target = add(search, path, origin.path);
    const elf = target === undefined ? undefined : readElf(target);
    if (target !== undefined && elf)
      visit(search, { path: target, elf, parent: origin }, interpreter);
  }
}

/** The program of a `#!` line, which a script can't run without. */
function scriptInterpreter(path: string): string | undefined {
  const descriptor = openSync(path, 'r');
  try {
    const start = Buffer.alloc(256);
    const length = readSync(descriptor, start, 0, start.length, 0);
    return /^#!\s*(\S+)/.exec(start.toString('latin1', 0, length))?.[1];
  } finally {
    closeSync(descriptor);
  }
}

function visitProgram(search: Search, program: string): void {
  const path = realpathSync(program);
  const elf = readElf(path);
  if (!elf) {
    const interpreter = scriptInterpreter(path);
    if (interpreter === undefined) return;
    const target = add(search, interpreter, program);
    if (target !== undefined) visitProgram(search, target);
    return;
  }
  const { interpreter } = elf;
  if (interpreter !== undefined) add(search, interpreter, program);
  visit(search, { path, elf, parent: undefined }, interpreter ?? '');
}

/**
 * The files that programs need besides themselves. Copying the content of each `target` to its
 * `path` in an empty root is enough for them to start there.
 * @throws NotFoundError for a library that is nowhere, UsageError for a damaged ELF file
 */
export function libraryClosure(programs: readonly string[]): LibraryFile[] {
  const search: Search = { found: new Map(), systemDirectories: systemDirectories() };
  for (const program of programs) visitProgram(search, program);
  return [...search.found.values()];
}
