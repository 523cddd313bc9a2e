/**
 * Which files a COPY takes: paths and wildcards of one source, resolved (Dockerfile reference,
 * COPY: wildcards have the meaning of Go's filepath.Match, directories give their content).
 */
import { lstatSync, type statSync } from 'node:fs';
import { basename, posix } from 'node:path';
import type { SourceLocation } from '../errors.js';
import { ContextError, DockerfileError } from '../errors.js';
import type { SelectionInput } from '../keys/inputs.js';
import { compilePattern, hasWildcard } from './gomatch.js';
import type { ScannedDirectory, ScanStore } from './scan.js';
import { digestTrees, listSingle, listTree } from './scan.js';
import type { FileSource } from './source.js';

/** One thing to copy. */
export interface Selection extends SelectionInput {
  /** Name in a destination directory; for a directory it is not used. */
  readonly name: string;
  /** The files as found. */
  readonly files: ScannedDirectory;
}

/** Cleans a source path; `..` that leads above the root is kept, for the caller to refuse. */
function clean(path: string): string {
  const normal = posix.normalize(`./${path.replace(/^\/+/, '')}`);
  return normal === '.' || normal === './' ? '' : normal.replace(/\/$/, '');
}

function escapeGlob(component: string): string {
  return component.replace(/[\\*?[\]{}()!+@|]/g, '\\$&');
}

/**
 * fast-glob finds candidates that are a superset of what the pattern means (a component with any
 * wildcard becomes `*`); Go's rules then decide.
 */
async function expandWildcard(
  source: FileSource,
  pattern: string,
  location: SourceLocation,
): Promise<string[]> {
  const compiled = compilePattern(pattern);
  if (!compiled.ok) {
    throw new DockerfileError(`${pattern} is not a pattern: ${compiled.reason}`, location, {
      hint: 'write a backslash before a character that is meant literally',
    });
  }
  const { default: fastGlob } = await import('fast-glob');
  const candidate = pattern
    .split('/')
    .map((part) => (part === '**' ? '**' : hasWildcard(part) ? '*' : escapeGlob(part)))
    .join('/');
  const toSource = (path: string) => path.replace(/^\/+/, '');
  const host = (path: string) => source.locate(toSource(path));
  const missing = (path: string) => Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
  const lstat = (path: string) => {
    const found = host(path);
    if (found === undefined) throw missing(path);
    return lstatSync(found);
  };
  const found = fastGlob.sync(`/${candidate}`, {
    cwd: '/',
    dot: true,
    onlyFiles: false,
    followSymbolicLinks: false,
    fs: {
      lstatSync: lstat as typeof lstatSync,
      statSync: lstat as typeof statSync,
      readdirSync: ((path: string) =>
        source.list(toSource(path)).map(({ name, hostPath }) => {
          const stats = lstatSync(hostPath);
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
        })) as never,
    },
  });
  return found
    .map(toSource)
    .filter((path) => compiled.matches(path))
    .sort();
}

function refuseOutside(source: FileSource, written: string, location: SourceLocation): never {
  throw new ContextError(`${written} leads out of ${source.title}`, location, {
    hint: 'only files below the root of the build context can be copied: move the file, or build from a directory above',
  });
}

function selectionOf(source: FileSource, path: string): Omit<Selection, 'tree'> | undefined {
  const followed = source.follow(path);
  if (followed === undefined) return undefined;
  const hostPath = source.locate(followed);
  if (hostPath === undefined) return undefined;
  const name = basename(path);
  const stats = lstatSync(hostPath);
  if (!stats.isDirectory()) {
    const files = listSingle(followed, name, hostPath);
    return { path, name, kind: 'file', files, directory: undefined };
  }
  const { uid, gid } = source.ownership === 'keep' ? stats : { uid: 0, gid: 0 };
  const directory = { mode: stats.mode & 0o7777, uid, gid };
  return { path, name, kind: 'directory', files: listTree(source, followed), directory };
}

/**
 * Resolves the sources of a COPY and digests what they select.
 * @throws ContextError when a source is missing or outside, with the location of the instruction
 */
export async function selectFiles(
  source: FileSource,
  store: ScanStore,
  sources: readonly string[],
  location: SourceLocation,
): Promise<Selection[]> {
  const seenAt = Date.now();
  const found: Omit<Selection, 'tree'>[] = [];
  for (const written of sources) {
    const path = clean(written);
    if (path === '..' || path.startsWith('../')) refuseOutside(source, written, location);
    const wildcard = hasWildcard(path);
    const paths = wildcard ? await expandWildcard(source, path, location) : [path];
    for (const match of paths) {
      const selection = selectionOf(source, match);
      if (selection) found.push(selection);
      else if (!wildcard) {
        throw new ContextError(`${written} is not in ${source.title}`, location, {
          hint: 'check the spelling, and whether .dockerignore excludes it',
        });
      }
    }
  }
  if (found.length === 0) {
    throw new ContextError(`nothing in ${source.title} matches ${sources.join(' ')}`, location);
  }
  const trees = await digestTrees(
    source,
    store,
    found.map(({ files }) => files),
    seenAt,
  );
  return found.map((selection, index) => ({
    ...selection,
    tree: trees[index] as Selection['tree'],
  }));
}
