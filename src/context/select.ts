/**
 * Which files a COPY takes: paths and wildcards of one source, resolved (Dockerfile reference,
 * COPY: wildcards have the meaning of Go's filepath.Match, directories give their content).
 */
import { lstatSync } from 'node:fs';
import { basename, dirname, posix } from 'node:path';
import type { SourceLocation } from '../errors.js';
import { ContextError } from '../errors.js';
import type { SelectionInput } from '../keys/inputs.js';
import { hasWildcard } from './gomatch.js';
import { compileIgnore } from './ignore.js';
import type { ScannedDirectory } from './listing.js';
import { listSingle, listTree } from './listing.js';
import type { ScanStore } from './scan.js';
import { digestTrees } from './scan.js';
import type { FileSource } from './source.js';
import { expandWildcard } from './wildcard.js';

/** One thing to copy. */
export interface Selection extends SelectionInput {
  /** Name in a destination directory; for a directory it is not used. */
  readonly name: string;
  /** The files as found. */
  readonly files: ScannedDirectory;
}

/**
 * Cleans a source path; `..` leads no further than the root of the source (Dockerfile reference,
 * ADD: parent directories outside of the build context are stripped).
 */
function clean(path: string): string {
  return posix.normalize(`/${path}`).replace(/^\/+|\/+$/g, '');
}

function leadsOut(path: string): boolean {
  return /^\.\.(\/|$)/.test(posix.normalize(path.replace(/^\/+/, '')));
}

function refuseOutside(source: FileSource, written: string, location: SourceLocation): never {
  throw new ContextError(`${written} leads out of ${source.title}`, location, {
    hint: 'only files below the root of the build context can be copied: move the file, or build from a directory above',
  });
}

/** A source without what --exclude leaves out of a directory; patterns are relative to that. */
function excluding(source: FileSource, root: string, patterns: readonly string[]): FileSource {
  if (patterns.length === 0) return source;
  const matcher = compileIgnore(patterns.join('\n'), '--exclude');
  const below = (path: string) => (root === '' ? path : path.slice(root.length + 1));
  return {
    ...source,
    list: (path) => {
      const listing = source.list(path);
      const relative = (name: string) => below(path === '' ? name : `${path}/${name}`);
      const excluded = (name: string) => matcher.ignores(relative(name));
      return {
        ...listing,
        names: listing.names.filter(
          (name) => !excluded(name) || matcher.mayContain(relative(name)),
        ),
        onlyWithContent: (name) => excluded(name) || (listing.onlyWithContent?.(name) ?? false),
      };
    },
  };
}

type Found = Omit<Selection, 'tree'>;

/** @param followed the path without symbolic links */
function selectionOf(
  source: FileSource,
  path: string,
  followed: string,
  exclude: readonly string[],
): Found | undefined {
  const hostPath = source.locate(followed);
  if (hostPath === undefined) return undefined;
  const name = basename(path);
  const stats = lstatSync(hostPath);
  if (!stats.isDirectory()) {
    const files = listSingle(followed, name, hostPath);
    return { path, name, kind: 'file', files, directory: undefined, below: '' };
  }
  const { uid, gid } = source.ownership === 'keep' ? stats : { uid: 0, gid: 0 };
  const directory = { mode: stats.mode & 0o7777, uid, gid };
  const files = listTree(excluding(source, followed, exclude), followed);
  return { path, name, kind: 'directory', files, directory, below: '' };
}

/** --parents: the part of a path that is kept, after the pivot `/./` if there is one. */
function keptPath(written: string, match: string): string {
  const pivot = written.indexOf('/./');
  const base = pivot === -1 ? '' : clean(written.slice(0, pivot));
  return base === '' ? match : match.slice(base.length + 1);
}

/** How COPY's flags change what is selected. */
export interface SelectOptions {
  /** --exclude patterns. */
  readonly exclude: readonly string[];
  /** --parents: keep the directories of the sources. */
  readonly parents: boolean;
}

const PLAIN: SelectOptions = { exclude: [], parents: false };

async function findSource(
  source: FileSource,
  written: string,
  location: SourceLocation,
  { exclude, parents }: SelectOptions,
): Promise<Found[]> {
  const path = clean(written);
  const wildcard = hasWildcard(path);
  const excluded =
    exclude.length === 0 ? undefined : compileIgnore(exclude.join('\n'), '--exclude');
  const found: Found[] = [];
  for (const match of wildcard ? await expandWildcard(source, path, location) : [path]) {
    if (wildcard && excluded?.ignores(basename(match))) continue;
    const kept = parents ? keptPath(written, match) : '';
    const followed = source.follow(match);
    if (followed.kind === 'outside') refuseOutside(source, `the symbolic link ${match}`, location);
    const selection =
      followed.kind === 'found' ? selectionOf(source, match, followed.path, exclude) : undefined;
    if (selection) {
      // Of a directory the content is copied: with --parents below its own name.
      const below = selection.kind === 'directory' ? kept : dirname(kept);
      // What stands for the destination itself has its own attributes, as buildkit makes it.
      const directory = below === '' || below === '.' ? undefined : selection.directory;
      found.push({ ...selection, directory, below: below === '.' ? '' : below });
    } else if (!wildcard) {
      if (leadsOut(written)) refuseOutside(source, written, location);
      throw new ContextError(`${written} is not in ${source.title}`, location, {
        hint: 'check the spelling, and whether .dockerignore excludes it',
      });
    }
  }
  return found;
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
  options: SelectOptions = PLAIN,
): Promise<Selection[]> {
  const seenAt = Date.now();
  const found: Found[] = [];
  for (const written of sources)
    found.push(...(await findSource(source, written, location, options)));
  if (found.length === 0) {
    throw new ContextError(`nothing in ${source.title} matches ${sources.join(' ')}`, location, {
      hint: 'check the spelling, and what .dockerignore and --exclude leave out',
    });
  }
  // The same directories without what --exclude leaves out have fingerprints of their own.
  const scope = source.fingerprintScope;
  const fingerprintScope = scope && [scope, ...options.exclude].join('\0');
  const scoped = { ...source, fingerprintScope };
  const trees = await digestTrees(
    scoped,
    store,
    found.map(({ files }) => files),
    seenAt,
  );
  return found.map((selection, index) => ({
    ...selection,
    tree: trees[index] as Selection['tree'],
  }));
}
