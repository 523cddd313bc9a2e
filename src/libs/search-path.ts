/**
 * Where the dynamic linker looks for a library that no RPATH or RUNPATH leads to: the directories
 * of ld.so.conf (what ldconfig makes its cache from) and the built-in ones (ld.so(8)).
 */
import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { globSync } from 'fast-glob';

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

function readConfig(path: string, seen: Set<string>): string[] {
  if (seen.has(path)) return [];
  seen.add(path);
  return readLines(path).flatMap((line) => {
    const [word, pattern] = line.split(/\s+/);
    if (word !== 'include' || pattern === undefined) return [line];
    const absolute = isAbsolute(pattern) ? pattern : join(dirname(path), pattern);
    return globSync(absolute)
      .sort()
      .flatMap((file) => readConfig(file, seen));
  });
}

const BUILT_IN = ['/lib', '/usr/lib', '/lib64', '/usr/lib64', '/lib32', '/usr/lib32'];

/** Directories in the order in which glibc's linker looks through them. */
export function systemDirectories(): string[] {
  return [...new Set([...readConfig('/etc/ld.so.conf', new Set()), ...BUILT_IN])];
}

/** musl's: a path file named after the linker, else three built-in ones. */
export function muslDirectories(interpreter: string): string[] {
  const match = /ld-musl-([^/]+)\.so\.1$/.exec(interpreter);
  const lines = match ? readLines(`/etc/ld-musl-${match[1]}.path`) : [];
  const paths = lines.flatMap((line) => line.split(':'));
  return paths.length > 0 ? paths : ['/lib', '/usr/local/lib', '/usr/lib'];
}
