/** Finds the paths of a source that a wildcard means. */
import type { lstatSync, Stats, statSync } from 'node:fs';
import type { SourceLocation } from '../../util/errors.js';
import { DockerfileError } from '../../util/errors.js';
import { lstatEntry } from '../directory.js';
import type { FileSource } from '../scan/file-source.js';
import { pathBelow } from '../tree-path.js';
import { withWalkers } from '../walker.js';
import type { DoubleStar } from './gomatch.js';
import { compilePattern, hasWildcard } from './gomatch.js';

/**
 * What fast-glob sees of names: `*` means no name of it that begins with a line feed, and other characters may mean
 * something too.
 */
const toHex = (path: string) =>
  path.replace(/[^/]+/g, (name) => Buffer.from(name, 'utf16le').toString('hex'));
const fromHex = (path: string) =>
  path.replace(/[^/]+/g, (hex) => Buffer.from(hex, 'hex').toString('utf16le'));

/** lstat's answer as readdir gives it; fast-glob asks for both. */
function asDirent(name: string, stats: Stats): object {
  return Object.assign(Object.create(stats) as object, {
    name,
    isDirectory: () => stats.isDirectory(),
    isFile: () => stats.isFile(),
    isSymbolicLink: () => stats.isSymbolicLink(),
    isBlockDevice: () => stats.isBlockDevice(),
    isCharacterDevice: () => stats.isCharacterDevice(),
    isFIFO: () => stats.isFIFO(),
    isSocket: () => stats.isSocket(),
  });
}

/** Leading components that are no pattern; links among them are followed, those behind are not. */
function splitPrefix(pattern: string): [string, string] {
  const parts = pattern.split('/');
  const first = parts.findIndex(hasWildcard);
  return [parts.slice(0, first).join('/'), parts.slice(first).join('/')];
}

/**
 * fast-glob finds candidates that are a superset of what the pattern means (a component with any
 * wildcard becomes `*`); Go's rules then decide.
 */
export async function expandWildcard(
  source: FileSource,
  written: string,
  location: SourceLocation,
  doubleStar: DoubleStar,
): Promise<string[] | 'outside' | 'missing'> {
  const [prefix, pattern] = splitPrefix(written);
  const compiled = compilePattern(pattern, doubleStar);
  if (!compiled.ok) {
    throw new DockerfileError(`${written} is not a pattern: ${compiled.reason}`, location, {
      hint: 'write a backslash before a character that is meant literally',
    });
  }
  const followed = source.follow(prefix);
  if (followed.kind !== 'found') return followed.kind;
  if (prefix !== '' && !source.locate(followed.path)?.stats.isDirectory()) return 'missing';
  const { default: fastGlob } = await import('fast-glob');
  const candidate = pattern
    .split('/')
    .map((part) =>
      part === '**' && doubleStar !== 'never' ? '**' : hasWildcard(part) ? '*' : toHex(part),
    )
    .join('/');
  const toSource = (path: string) => {
    const below = fromHex(path.replace(/^\/+/, ''));
    return below === '' ? followed.path : pathBelow(followed.path, below);
  };
  const missing = (path: string) => Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
  const lstat = (path: string) => {
    const found = source.locate(toSource(path));
    if (found === undefined) throw missing(path);
    return found.stats;
  };
  const found = fastGlob.sync(candidate, {
    cwd: '/',
    dot: true,
    onlyFiles: false,
    followSymbolicLinks: false,
    fs: {
      lstatSync: lstat as unknown as typeof lstatSync,
      statSync: lstat as unknown as typeof statSync,
      readdirSync: ((path: string) => {
        const directory = toSource(path);
        const { names, rootOf } = source.list(directory);
        return withWalkers((walkers) =>
          names.flatMap((name) => {
            const stats = lstatEntry(walkers.at(rootOf(name), directory), name);
            return stats ? [asDirent(toHex(name), stats)] : [];
          }),
        );
      }) as never,
    },
  });
  return found
    .map((path) => fromHex(path.replace(/^\/+/, '')))
    .filter((path) => compiled.matches(path))
    .map((path) => pathBelow(prefix, path))
    .sort();
}
