/**
 * Which files a COPY takes: paths and wildcards of one source, resolved (Dockerfile reference,
 * COPY: wildcards have the meaning of Go's filepath.Match, directories give their content).
 */
import { basename, dirname, posix } from 'node:path';
import type { TreeDigest } from '../../keys/digest.js';
import type { DirectoryInput, SelectionInput } from '../../keys/inputs.js';
import { WHITEOUT_PREFIX } from '../../oci/tar/member-name.js';
import type { SourceLocation } from '../../util/errors.js';
import { ContextError } from '../../util/errors.js';
import type { FileSource } from '../scan/file-source.js';
import { linkGroups } from '../scan/hard-links.js';
import type { ScannedDirectory } from '../scan/listing.js';
import { listSingle, listTree } from '../scan/listing.js';
import type { ScanStore } from '../scan/scan.js';
import { digestTrees } from '../scan/scan.js';
import { EMPTY_TREE } from '../scan/tree.js';
import { located, removedMeanwhile, unreadable } from '../scan/unreadable.js';
import { pathBelow } from '../tree-path.js';
import { compilePattern, isPattern } from './gomatch.js';
import type { IgnoreMatcher } from './ignore.js';
import { compileIgnore } from './ignore.js';
import { expandWildcard } from './wildcard.js';

/** One thing to copy. */
export interface Selection extends SelectionInput {
  /** Name in a destination directory; for a directory it is not used. */
  readonly name: string;
  /** The files as found. */
  readonly files: ScannedDirectory;
  /** The instruction names it; what a wildcard means may be gone the next moment. */
  readonly named: boolean;
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

/**
 * A source without what --exclude leaves out of a directory.
 * @param kept what patterns see in the place of the directory's path: '' where they are relative to it
 */
function excluding(
  source: FileSource,
  root: string,
  kept: string,
  matcher: IgnoreMatcher | undefined,
): FileSource {
  if (!matcher) return source;
  const below = (path: string) => pathBelow(kept, root === '' ? path : path.slice(root.length + 1));
  return {
    ...source,
    wholeOf: undefined,
    plainRoot: undefined,
    list: (path) => {
      const listing = source.list(path);
      const relative = (name: string) => below(pathBelow(path, name));
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

type Listed = Omit<Found, 'named' | 'below' | 'directory' | 'ways'>;

/** @param followed the path without symbolic links */
async function getSelection(
  source: FileSource,
  path: string,
  followed: string,
  kept: string,
  excluded: IgnoreMatcher | undefined,
): Promise<Listed | 'excluded' | undefined> {
  const found = source.locate(followed);
  if (!found) return undefined;
  const name = basename(path);
  const isExcluded = kept !== '' && (excluded?.ignores(kept) ?? false);
  if (!found.stats.isDirectory()) {
    if (isExcluded) return 'excluded';
    if (found.onlyWithContent) return undefined;
    const files = listSingle(followed, name, found);
    return { path, name, kind: 'file', files, links: undefined };
  }
  if (isExcluded && excluded?.mayContain(kept) === false) return 'excluded';
  const files = await listTree(excluding(source, followed, kept, excluded), followed);
  if (isExcluded && files.count === 0) return 'excluded';
  if (found.onlyWithContent && files.count === 0) return undefined;
  return { path, name, kind: 'directory', files, links: linkGroups(files) };
}

/** How many components of a match stand for the part of a pattern before the pivot. */
function pivotDepth(base: string, match: string): number {
  const names = match.split('/');
  // Only `**` means any number of them.
  if (!base.split('/').includes('**')) return base.split('/').length;
  const pattern = compilePattern(base);
  const depth = names.findIndex(
    (_, index) => pattern.ok && pattern.matches(names.slice(0, index + 1).join('/')),
  );
  return depth + 1;
}

/** --parents: the part of a path that is kept, after the pivot `/./` if there is one. */
function keptPath(written: string, match: string): string {
  const pivot = written.indexOf('/./');
  const base = pivot === -1 ? '' : clean(written.slice(0, pivot));
  return base === '' ? match : match.split('/').slice(pivotDepth(base, match)).join('/');
}

/** COPY's flags that change the selection. */
export interface SelectOptions {
  /** --exclude patterns. */
  readonly exclude: readonly string[];
  /** --parents: keep the directories of the sources. */
  readonly parents: boolean;
  /** The sources are names of files, no patterns. */
  readonly literal?: true;
}

/** What a mount shows: one file or directory, whose name is no pattern. */
export const MOUNTED: SelectOptions = { exclude: [], parents: false, literal: true };

/**
 * The file that a source without wildcards names. A backslash in it means itself, as with BuildKit, where there is such
 * a file (units of systemd have names with `\x2d`); else it is one before a character that is meant literally.
 */
function findName(source: FileSource, written: string): string {
  if (!written.includes('\\')) return written;
  const followed = source.follow(written);
  const isThere = followed.kind === 'found' && source.locate(followed.path) !== undefined;
  return isThere || followed.kind === 'outside' ? written : written.replace(/\\(.)/gs, '$1');
}

/** What a source names. Nothing may match a pattern, but the directory to look in has to be there. */
async function matchSource(
  source: FileSource,
  written: string,
  location: SourceLocation,
  { parents, literal }: SelectOptions,
): Promise<{ readonly matches: readonly string[]; readonly wildcard: boolean }> {
  const pattern = clean(written);
  if (literal) return { matches: [pattern], wildcard: false };
  if (!isPattern(pattern)) return { matches: [findName(source, pattern)], wildcard: false };
  // BuildKit takes Go's own rules, but for --parents.
  const doubleStar = parents ? 'component' : 'never';
  const matches = await expandWildcard(source, pattern, location, doubleStar);
  if (matches === 'outside') refuseOutside(source, `a symbolic link in ${written}`, location);
  if (matches === 'missing' && !parents) refuseMissing(source, written, location);
  return { matches: matches === 'missing' ? [] : matches, wildcard: true };
}

/** What a directory of the source has itself, links followed. */
function inspectDirectory(source: FileSource, path: string): DirectoryInput {
  const followed = source.follow(path);
  const found = followed.kind === 'found' ? source.locate(followed.path) : undefined;
  if (!found?.stats.isDirectory()) throw removedMeanwhile(source, path);
  const { uid, gid } = source.ownership === 'keep' ? found.stats : { uid: 0, gid: 0 };
  return { mode: found.stats.mode & 0o7777, uid, gid };
}

/**
 * Where a selection goes below the destination, and what the directories on the way are in the source.
 * @param kept the part of its path that --parents keeps
 */
function placeBelow(
  source: FileSource,
  { kind, path }: Listed,
  kept: string,
): Pick<Found, 'below' | 'directory' | 'ways'> {
  // Of a directory the content is copied: with --parents below its own name.
  const isDirectory = kind === 'directory';
  const below = isDirectory ? kept : dirname(kept);
  // What stands for the destination itself has its own attributes, as buildkit makes it.
  if (below === '' || below === '.') return { below: '', directory: undefined };
  const count = below.split('/').length;
  const names = (isDirectory ? path : dirname(path)).split('/');
  const ways = Array.from({ length: count }, (_, index) =>
    inspectDirectory(source, names.slice(0, names.length - count + index + 1).join('/')),
  );
  const directory = isDirectory ? ways.pop() : undefined;
  return { below, directory, ways: ways.length > 0 ? ways : undefined };
}

async function findSource(
  source: FileSource,
  written: string,
  location: SourceLocation,
  options: SelectOptions,
): Promise<Found[]> {
  const { exclude, parents } = options;
  const excluded =
    exclude.length === 0 ? undefined : compileIgnore(exclude.join('\n'), '--exclude');
  const { matches, wildcard } = await matchSource(source, written, location, options);
  const found: Found[] = [];
  for (const match of matches) {
    if (wildcard && !parents && excluded?.ignores(basename(match))) continue;
    const kept = parents ? keptPath(written, match) : '';
    const followed = source.follow(match);
    if (followed.kind === 'outside') refuseOutside(source, `the symbolic link ${match}`, location);
    const selection =
      followed.kind === 'found'
        ? await getSelection(source, match, followed.path, kept, excluded)
        : undefined;
    if (selection === 'excluded') continue;
    if (selection)
      found.push({ ...selection, ...placeBelow(source, selection, kept), named: !wildcard });
    else if (!wildcard && leadsOut(written)) refuseOutside(source, written, location);
    else if (!wildcard) refuseMissing(source, written, location);
  }
  return found;
}

/** As a file they would be lost, and remove another one, with the first push of the image. */
function refuseWhiteouts(source: FileSource, found: readonly Found[], location: SourceLocation) {
  for (const { below, path } of found) {
    if (!below.split('/').some((part) => part.startsWith(WHITEOUT_PREFIX))) continue;
    throw new ContextError(
      `${path} in ${source.title} can't be copied with its directories: in an image a name that begins with ${WHITEOUT_PREFIX} means that a file is removed`,
      location,
      { hint: 'rename the directory, or copy it without --parents' },
    );
  }
  const waiting = found.map(({ files, path, kind }) => ({
    files,
    path: kind === 'file' ? '' : path,
  }));
  for (let at = waiting.pop(); at; at = waiting.pop()) {
    const prefix = at.path === '' ? '' : `${at.path}/`;
    const { nameBytes } = at.files;
    const name = nameBytes.includes(WHITEOUT_PREFIX)
      ? at.files.names.find((one) => one.startsWith(WHITEOUT_PREFIX))
      : undefined;
    if (name !== undefined) {
      throw new ContextError(
        `${prefix}${name} in ${source.title} can't be copied: in an image its name means that ${name.slice(WHITEOUT_PREFIX.length)} is removed`,
        location,
        { hint: 'rename it, or exclude it with .dockerignore or --exclude' },
      );
    }
    for (const [below, files] of at.files.subdirectories)
      waiting.push({ files, path: prefix + below });
  }
}

/** A file that was named, and is gone when it is to be read. */
function refuseMissing(source: FileSource, written: string, location: SourceLocation): never {
  throw new ContextError(`${written} is not in ${source.title}`, location, {
    hint: 'check the spelling, and whether .dockerignore excludes it',
  });
}

async function findSources(
  source: FileSource,
  sources: readonly string[],
  location: SourceLocation,
  options: SelectOptions,
): Promise<Found[]> {
  const found: Found[] = [];
  for (const written of sources) {
    try {
      found.push(...(await findSource(source, written, location, options)));
    } catch (error) {
      throw located(unreadable(error, source, clean(written)), location);
    }
  }
  refuseWhiteouts(source, found, location);
  return found;
}

/**
 * Resolves the sources of a COPY and digests what they select. A wildcard may mean nothing at all.
 * @throws ContextError when a source is missing, outside, or can't be read, with the location of the
 *   instruction
 */
export async function selectFiles(
  source: FileSource,
  store: ScanStore,
  sources: readonly string[],
  location: SourceLocation,
  options: SelectOptions,
): Promise<Selection[]> {
  const seenAt = Date.now();
  const found = await findSources(source, sources, location, options);
  // The same directories without what --exclude leaves out have fingerprints of their own.
  const scope = source.fingerprintScope;
  const fingerprintScope = scope && [scope, ...options.exclude].join('\0');
  const scoped = { ...source, fingerprintScope };
  let trees: TreeDigest[];
  try {
    const listed = found.map(({ files }) => files);
    trees = await digestTrees(scoped, store, listed, seenAt);
  } catch (error) {
    throw located(error, location);
  }
  return found.flatMap((selection, index) => {
    const tree = trees[index] as TreeDigest;
    if (selection.kind === 'directory' || tree !== EMPTY_TREE) return [{ ...selection, tree }];
    // The file was gone when it was to be read.
    return selection.named ? refuseMissing(source, selection.path, location) : [];
  });
}
