/**
 * Which file the dynamic linker takes for a name in DT_NEEDED: ld.so(8) for glibc, and musl's own
 * order. LD_LIBRARY_PATH and LD_PRELOAD of this shell have no say in what a layer holds.
 */
import { dirname, normalize } from 'node:path';
import { NotFoundError, UsageError } from '../util/errors.js';
import type { ElfFile } from './elf.js';
import type { LoaderCache } from './ldcache.js';
import type { Loader } from './search-path.js';
import { configuredDirectories, expandTokens, muslDirectories } from './search-path.js';

/** A file in the process whose libraries are looked for; `parent` is what loaded it first. */
export interface Loaded {
  /** Where it is on this machine, and where it will be in the layer: $ORIGIN differs. */
  readonly path: string;
  readonly layerPath: string;
  readonly elf: ElfFile;
  readonly parent: Loaded | undefined;
}

/** Configuration of this machine's linkers. */
export interface SystemConfiguration {
  readonly cachePath: string;
  /** undefined when there is none that can be read; ld.so.conf stands in for it then. */
  readonly cache: LoaderCache | undefined;
  readonly configPath: string;
}

/** A library that was found. */
export interface Located {
  readonly path: string;
  readonly layerPath: string;
  /** The configuration file without which the linker would not have looked there. */
  readonly configuration: string | undefined;
}

/** True when a file is there and is a library for the same machine. */
export type Fits = (path: string, elf: ElfFile) => boolean;

interface Candidates {
  readonly found: readonly Located[];
  /** For people: what was looked through. */
  readonly searched: readonly string[];
}

/** The same place seen with the origin on this machine and with the one in the layer. */
function place(path: string, by: Loaded, loader: Loader): Located | undefined {
  const here = expandTokens(path, loader, dirname(by.path));
  const there = expandTokens(path, loader, dirname(by.layerPath));
  return here === undefined || there === undefined
    ? undefined
    : { path: here, layerPath: normalize(there), configuration: undefined };
}

function below(directories: readonly Located[], name: string): Candidates {
  return {
    found: directories.map((at) => ({
      ...at,
      // Not normalised: `..` behind a symbolic link leads elsewhere on this machine.
      path: `${at.path}/${name}`,
      layerPath: normalize(`${at.layerPath}/${name}`),
    })),
    searched: directories.map(({ path }) => path),
  };
}

function fixed(paths: readonly string[], configuration?: string): Located[] {
  return paths.map((path) => ({ path, layerPath: normalize(path), configuration }));
}

function ancestors(loaded: Loaded): Loaded[] {
  return [loaded, ...(loaded.parent ? ancestors(loaded.parent) : [])];
}

function embedded(by: Loaded, loader: Loader): Located[] {
  const expand = (item: Loaded, paths: readonly string[] = []) =>
    paths.flatMap((path) => place(path, item, loader) ?? []);
  // musl makes no difference between the two, and both are inherited.
  if (loader.muslPathFile !== undefined) {
    return ancestors(by).flatMap((item) => expand(item, item.elf.runpath ?? item.elf.rpath));
  }
  // A RUNPATH counts for the file's own needs alone, and switches every RPATH off for them.
  if (by.elf.runpath) return expand(by, by.elf.runpath);
  return ancestors(by).flatMap((item) => (item.elf.runpath ? [] : expand(item, item.elf.rpath)));
}

function muslSystem(name: string, loader: Loader, pathFile: string): Candidates {
  const configured = muslDirectories(pathFile);
  return below(configured ? fixed(configured, pathFile) : fixed(loader.directories), name);
}

function glibcSystem(
  name: string,
  by: Loaded,
  loader: Loader,
  system: SystemConfiguration,
): Candidates {
  const builtIn = (path: string) => loader.directories.includes(dirname(path));
  const allowed = (path: string) => !(by.elf.noDefaultDirectories && builtIn(path));
  const configured: Candidates = system.cache
    ? {
        found: (system.cache.get(name) ?? []).flatMap((path) =>
          fixed([path], builtIn(path) ? undefined : system.cachePath),
        ),
        searched: [system.cachePath],
      }
    : below(fixed(configuredDirectories(system.configPath)), name);
  const last = below(fixed(by.elf.noDefaultDirectories ? [] : loader.directories), name);
  return {
    found: [...configured.found.filter(({ path }) => allowed(path)), ...last.found],
    searched: [...configured.searched, ...last.searched],
  };
}

function byPath(name: string, by: Loaded, loader: Loader): Candidates {
  const found = place(name, by, loader);
  if (!found) {
    throw new UsageError(
      `${by.path} needs the library ${name} by a path that depends on where and how it is started`,
    );
  }
  return { found: [found], searched: [dirname(found.path)] };
}

function candidates(
  name: string,
  by: Loaded,
  loader: Loader,
  system: SystemConfiguration,
): Candidates {
  if (name.includes('/')) return byPath(name, by, loader);
  const first = below(embedded(by, loader), name);
  const then =
    loader.muslPathFile === undefined
      ? glibcSystem(name, by, loader, system)
      : muslSystem(name, loader, loader.muslPathFile);
  return {
    found: [...first.found, ...then.found],
    searched: [...first.searched, ...then.searched],
  };
}

/**
 * Finds the library that a file needs by a name. One for another machine is passed over.
 * @throws NotFoundError naming the library, who needs it and where it was looked for; UsageError
 *   for a name that is a relative path
 */
export function locateLibrary(
  name: string,
  by: Loaded,
  loader: Loader,
  system: SystemConfiguration,
  fits: Fits,
): Located {
  const { found, searched } = candidates(name, by, loader, system);
  const located = found.find(({ path }) => fits(path, by.elf));
  if (located) return located;
  const places = [...new Set(searched)].join(', ');
  throw new NotFoundError(`the library ${name}, which ${by.path} needs, was not found`, {
    hint: `looked in ${places}; install the package that has it, or run ldconfig`,
  });
}
