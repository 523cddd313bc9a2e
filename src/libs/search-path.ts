/**
 * The directories in which a dynamic linker looks for libraries: those that a file names (ld.so(8),
 * "Dynamic string tokens"), those of the configuration, and the built-in ones.
 */
import { readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { globSync } from 'fast-glob';
import type { ElfMachine } from './elf.js';

/** What of a dynamic linker decides where it looks. */
export interface Loader {
  /** Value of `$LIB`, for example lib64 or lib/x86_64-linux-gnu. */
  readonly lib: string;
  /** Value of `$PLATFORM`; undefined where it depends on the processor's model. */
  readonly platform: string | undefined;
  /** Built in, in their order. */
  readonly directories: readonly string[];
  /** musl's linker: its path file, undefined for glibc's. */
  readonly muslPathFile: string | undefined;
}

/** By e_machine: Debian's multiarch directory and AT_PLATFORM. */
const MACHINES: ReadonlyMap<number, { readonly multiarch: string; readonly platform?: string }> =
  new Map([
    [3, { multiarch: 'i386-linux-gnu', platform: 'i686' }],
    [21, { multiarch: 'powerpc64le-linux-gnu' }],
    [22, { multiarch: 's390x-linux-gnu' }],
    [40, { multiarch: 'arm-linux-gnueabihf', platform: 'v7l' }],
    [62, { multiarch: 'x86_64-linux-gnu', platform: 'x86_64' }],
    [183, { multiarch: 'aarch64-linux-gnu', platform: 'aarch64' }],
    [243, { multiarch: 'riscv64-linux-gnu' }],
    [258, { multiarch: 'loongarch64-linux-gnu' }],
  ]);

const MUSL_DIRECTORIES = ['/lib', '/usr/local/lib', '/usr/lib'];

function realDirectory(path: string): string | undefined {
  try {
    return dirname(realpathSync(path));
  } catch {
    // The caller that needs the file reports that it is missing.
    return undefined;
  }
}

/**
 * `$LIB` is compiled into glibc's linker: the name of the directory in which it is installed,
 * without the prefix. @returns undefined for a directory that is none of the known layouts
 */
export function libOfDirectory(directory: string): string | undefined {
  return /^\/(?:usr\/)?(lib\w*(?:\/[\w-]+-linux-gnu\w*)?)$/.exec(directory)?.[1];
}

function libDirectory(directory: string | undefined, elf: ElfMachine): string {
  const multiarch = MACHINES.get(elf.machine)?.multiarch;
  return libOfDirectory(directory ?? '') ?? (multiarch ? `lib/${multiarch}` : 'lib');
}

/** musl looks for its path file beside its own lib directory: /etc for /lib/ld-musl-x86_64.so.1. */
function muslPathFile(interpreter: string | undefined): string | undefined {
  const name = /^(ld-musl-.+)\.so\.1$/.exec(basename(interpreter ?? ''))?.[1];
  if (name === undefined || interpreter === undefined) return undefined;
  return join(dirname(dirname(interpreter)), 'etc', `${name}.path`);
}

/**
 * What is known of a program's linker; for a library alone, of the machine's usual one.
 * @param directory where the linker really is, if that is known
 */
export function loaderIn(
  directory: string | undefined,
  interpreter: string | undefined,
  elf: ElfMachine,
): Loader {
  const lib = libDirectory(directory, elf);
  const pathFile = muslPathFile(interpreter);
  const names = [lib, 'lib', ...(elf.bits === 64 ? ['lib64'] : ['lib32'])];
  return {
    lib,
    platform: MACHINES.get(elf.machine)?.platform,
    directories: pathFile
      ? MUSL_DIRECTORIES
      : [...new Set(names.flatMap((name) => [`/${name}`, `/usr/${name}`]))],
    muslPathFile: pathFile,
  };
}

/** The same for a linker of this machine. */
export function describeLoader(interpreter: string | undefined, elf: ElfMachine): Loader {
  // PT_INTERP is often a link (/lib64 on Debian); only the real path shows the layout.
  const directory = interpreter === undefined ? undefined : realDirectory(interpreter);
  return loaderIn(directory, interpreter, elf);
}

/**
 * Expands `$ORIGIN`, `$LIB` and `$PLATFORM` (with or without braces) in a path of an ELF file.
 * @returns undefined for a path that does not count: one with a token without a value, and one
 *   that is not absolute, which would depend on the directory a program is started in
 */
export function expandTokens(path: string, loader: Loader, origin: string): string | undefined {
  const values = { ORIGIN: origin, LIB: loader.lib, PLATFORM: loader.platform };
  let known = true;
  const expanded = path.replace(
    /\$(?:\{(ORIGIN|LIB|PLATFORM)\}|(ORIGIN|LIB|PLATFORM)(?!\w))/g,
    (_, braced: keyof typeof values | undefined, bare: keyof typeof values) => {
      const value = values[braced ?? bare];
      known &&= value !== undefined;
      return value ?? '';
    },
  );
  return known && isAbsolute(expanded) ? expanded : undefined;
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .map((line) => line.replace(/#.*/, '').trim())
      .filter(Boolean);
  } catch {
    // Not there or not readable: ldconfig goes on without it as well.
    return [];
  }
}

/** Directories of an ld.so.conf (ldconfig(8)) and of the files it includes, in order. */
export function configuredDirectories(
  path: string,
  seen: ReadonlySet<string> = new Set(),
): string[] {
  if (seen.has(path)) return [];
  const above = new Set([...seen, path]);
  return readLines(path).flatMap((line) => {
    const [word, ...patterns] = line.split(/\s+/);
    if (word === 'include') {
      return patterns
        .map((pattern) => (isAbsolute(pattern) ? pattern : join(dirname(path), pattern)))
        .flatMap((pattern) => globSync(pattern).sort())
        .flatMap((file) => configuredDirectories(file, above));
    }
    // `dir=libc6` names a libc version, `hwcap 1 name` is obsolete; neither is part of a path.
    const directory = line.replace(/=\w+$/, '').trimEnd();
    return isAbsolute(directory) ? [directory] : [];
  });
}

/** Directories of a musl path file, which replace the built-in ones; undefined when there is none. */
export function muslDirectories(pathFile: string): string[] | undefined {
  try {
    return readFileSync(pathFile, 'utf8').split(/[:\n]/).filter(isAbsolute);
  } catch {
    // Most systems have none.
    return undefined;
  }
}
