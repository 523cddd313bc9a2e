/**
 * What a program in layers lacks to be started: its dynamic linker, shared libraries, or the
 * interpreter of its `#!` line. The kernel and the linker look the same things up when it is started,
 * and say no more than "No such file or directory". Files of layers are opened below them by fs/.
 */
import { dirname, posix } from 'node:path';
import type { Stack, StackEntry } from '../fs/layer/stack.js';
import { resolve } from '../fs/layer/stack.js';
import { readBytesBelow, withFileBelow } from '../fs/read.js';
import type { ElfFile } from './elf.js';
import { readOpenElf } from './elf.js';
import { parseLoaderCache } from './ldcache.js';
import { readOpenShebang, type Shebang } from './script.js';
import { expandTokens, type Loader, loaderIn } from './search-path.js';

/** A file that is in none of the layers. */
export interface MissingFile {
  /** As the program names it: a path, or the name of a library. */
  readonly name: string;
  readonly neededBy: string;
  /** The program that would have to be copied with all it needs: the interpreter of a script. */
  readonly program: string;
}

/** How the programs were started. */
export interface Surroundings {
  readonly stack: Stack;
  /** Value of PATH and LD_LIBRARY_PATH. */
  readonly path: string | undefined;
  readonly libraryPath: string | undefined;
  readonly workdir: string;
  /** Absolute paths that something is mounted at: what lies there is not of the layers. */
  readonly mounts: readonly string[];
}

/** A script's interpreter may be a script, and so on; Linux gives up after four. */
const MAX_SCRIPTS = 4;

/** Names that musl's linker answers itself. */
const MUSL_OWN = /^lib(?:c|pthread|rt|m|dl|util|xnet)\.(?:so|musl)/;

function fileAt({ stack }: Surroundings, path: string): StackEntry | undefined {
  const entry = resolve(stack, path)?.entry;
  return entry?.stats.isFile() ? entry : undefined;
}

/** Is a file there, or can it be in something that is mounted? */
function isThere(surroundings: Surroundings, path: string): boolean {
  const below = (mount: string) => path === mount || path.startsWith(`${mount}/`);
  return surroundings.mounts.some(below) || fileAt(surroundings, path) !== undefined;
}

/** Where execvp(3) looks for a program: absolute paths. */
function programPaths({ path = '', workdir }: Surroundings, name: string): string[] {
  if (name === '') return [];
  if (name.includes('/')) return [posix.resolve(workdir, name)];
  return path.split(':').map((directory) => posix.resolve(workdir, directory, name));
}

/** Is a program neither in the layers nor in a mount? */
export function isNowhere(surroundings: Surroundings, name: string): boolean {
  return !programPaths(surroundings, name).some((path) => isThere(surroundings, path));
}

/** Where a program is in the layers. @returns undefined when it is not in them */
export function findProgram(surroundings: Surroundings, name: string): string | undefined {
  return programPaths(surroundings, name).find((candidate) => {
    const entry = fileAt(surroundings, candidate);
    return entry !== undefined && (entry.stats.mode & 0o111) !== 0;
  });
}

type Content =
  | { readonly kind: 'elf'; readonly elf: ElfFile }
  | { readonly kind: 'script'; readonly shebang: Shebang }
  | undefined;

function getContent({ root, path }: StackEntry): Content {
  return withFileBelow(root, path, ({ fd }): Content => {
    const elf = readOpenElf(fd, `/${path}`);
    if (elf) return { kind: 'elf', elf };
    const shebang = readOpenShebang(fd);
    return shebang && { kind: 'script', shebang };
  });
}

/** Where the linker looks is compiled into it; where it lies shows that, unless it was moved. */
function getLoader({ stack }: Surroundings, elf: ElfFile): Loader {
  const { interpreter } = elf;
  const found = interpreter === undefined ? undefined : resolve(stack, interpreter);
  const loader = loaderIn(found?.entry && dirname(`/${found.path}`), interpreter, elf);
  const { directories } = loaderIn(undefined, interpreter, elf);
  return { ...loader, directories: [...new Set([...loader.directories, ...directories])] };
}

function readBytes(surroundings: Surroundings, path: string): Buffer | undefined {
  const entry = fileAt(surroundings, path);
  return entry && readBytesBelow(entry.root, entry.path);
}

/** Paths at which the linker looks for a library, in no particular order: what counts is any. */
function places(
  surroundings: Surroundings,
  name: string,
  elf: ElfFile,
  path: string,
  loader: Loader,
): string[] {
  if (name.includes('/')) return [posix.resolve(surroundings.workdir, name)];
  const own = [...(elf.runpath ?? []), ...(elf.rpath ?? [])].flatMap(
    (directory) => expandTokens(directory, loader, dirname(path)) ?? [],
  );
  const { libraryPath = '' } = surroundings;
  const { muslPathFile, directories } = loader;
  const muslPath = muslPathFile && readBytes(surroundings, muslPathFile)?.toString();
  const system = muslPath ? muslPath.split(/[:\n]/).filter(Boolean) : directories;
  const cache = muslPathFile ? undefined : readBytes(surroundings, '/etc/ld.so.cache');
  const cached = (cache && parseLoaderCache(cache)?.get(name)) ?? [];
  const below = [...own, ...libraryPath.split(':'), ...system].filter(Boolean);
  return [...below.map((directory) => `${directory}/${name}`), ...cached];
}

/** Libraries that a program's process lacks, those that other libraries need among them. */
function missingLibraries(
  surroundings: Surroundings,
  program: ElfFile,
  path: string,
): MissingFile[] {
  const loader = getLoader(surroundings, program);
  const seen = new Set<string>();
  const missing: MissingFile[] = [];
  const pending: { readonly elf: ElfFile; readonly path: string }[] = [{ elf: program, path }];
  for (let by = pending.shift(); by !== undefined; by = pending.shift()) {
    for (const name of by.elf.needed) {
      const isOwn = loader.muslPathFile !== undefined && MUSL_OWN.test(name);
      if (isOwn || seen.has(name)) continue;
      seen.add(name);
      // What a library is loaded for, its own search path is not for; the program's is.
      const all = [
        ...places(surroundings, name, by.elf, by.path, loader),
        ...places(surroundings, name, program, path, loader),
      ];
      const found = all.find((place) => isThere(surroundings, place));
      if (found === undefined) missing.push({ name, neededBy: by.path, program: path });
      const entry = found === undefined ? undefined : fileAt(surroundings, found);
      const content = entry && getContent(entry);
      if (content?.kind === 'elf') pending.push({ elf: content.elf, path: found ?? '' });
    }
  }
  return missing;
}

function missingOfScript(
  surroundings: Surroundings,
  { interpreter, lookedUp }: Shebang,
  path: string,
  depth: number,
): MissingFile[] {
  if (!isThere(surroundings, posix.resolve(surroundings.workdir, interpreter)))
    return [{ name: interpreter, neededBy: path, program: interpreter }];
  const own = missingFiles(surroundings, interpreter, depth + 1);
  if (lookedUp === undefined || own.length > 0) return own;
  if (isNowhere(surroundings, lookedUp))
    return [{ name: lookedUp, neededBy: path, program: lookedUp }];
  const program = findProgram(surroundings, lookedUp);
  return program === undefined ? [] : missingFiles(surroundings, program, depth + 1);
}

/**
 * What a program lacks.
 * @param path where it is, absolute
 * @returns nothing for a program that is not there, that lacks nothing, or that can't be read
 */
export function missingFiles(surroundings: Surroundings, path: string, depth = 0): MissingFile[] {
  const entry = fileAt(surroundings, path);
  if (!entry || depth > MAX_SCRIPTS) return [];
  const content = getContent(entry);
  if (content?.kind === 'script')
    return missingOfScript(surroundings, content.shebang, path, depth);
  if (content?.kind !== 'elf') return [];
  const { interpreter } = content.elf;
  const isLoaderThere =
    interpreter === undefined || isThere(surroundings, posix.resolve('/', interpreter));
  const loader: MissingFile[] = isLoaderThere
    ? []
    : [{ name: interpreter, neededBy: path, program: path }];
  return [...loader, ...missingLibraries(surroundings, content.elf, path)];
}
