/** The build context: a directory of this machine, seen through .dockerignore. */
import { isUtf8 } from 'node:buffer';
import type { Stats } from 'node:fs';
import { fstatSync, realpathSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fromBytes } from '../../util/byte-string.js';
import { ContextError, UsageError } from '../../util/errors.js';
import { readSettings } from '../../util/regular-file.js';
import { isAbsent } from '../../util/stat-named.js';
import type { Directory } from '../directory.js';
import { closeDirectory, listNames, lstatEntry, openRoot } from '../directory.js';
import { followLinks, pathTree } from '../follow-links.js';
import { readBuffer, readBytesBelow, readLink, readPieces, withFileBelow } from '../read.js';
import type { IgnoreMatcher } from '../select/ignore.js';
import { compileIgnore, contextIgnoreNames, ignoreFileCandidates } from '../select/ignore.js';
import { parentPath } from '../tree-path.js';
import type { Walker } from '../walker.js';
import { openWalker } from '../walker.js';
import type { FileSource, Followed, Listing } from './file-source.js';

/** @returns its text, in which names have any bytes; undefined when there is none */
function readIgnoreFile(path: string): string | undefined {
  let reason = 'it is no file';
  try {
    const stats = statSync(path, { throwIfNoEntry: false });
    if (!stats) return undefined;
    // A fifo would be waited for. /dev/null is the usual way to say: leave nothing out.
    if (path === '/dev/null') return '';
    if (stats.isFile()) return fromBytes(readSettings(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
    reason = (error as Error).message;
  }
  throw new ContextError(`${path} can't be read: ${reason}`, undefined, {
    hint: 'it says which files of the context to leave out, one pattern a line',
  });
}

/** A file of a fetched context; undefined when nothing is there. @throws ContextError */
function readFetched(root: string, path: string): Buffer | undefined {
  const walker = openWalker(root);
  try {
    const followed = followWithin(walker, path);
    if (followed.kind === 'missing') return undefined;
    if (followed.kind === 'found') return readBytesBelow(root, followed.path);
  } finally {
    walker.close();
  }
  throw new ContextError(`${path} leads out of the build context`, undefined, {
    hint: 'name a file of the build context that is no link out of it',
  });
}

/** A text file of a fetched context, as readFetched. */
export function readFetchedText(root: string, path: string): string | undefined {
  const bytes = readFetched(root, path);
  return bytes && fromBytes(bytes);
}

/** What lies at a path, as far as it may be read. */
export type SmallFile =
  | { readonly kind: 'missing' | 'outside' | 'no file' | 'too large' | 'not UTF-8' }
  | { readonly kind: 'text'; readonly text: string };

/**
 * Reads a small text file below a directory; links are followed within it.
 * @param root trusted path
 * @throws the system's error when it may not be read
 */
export function readSmallFile(root: string, path: string, maxBytes: number): SmallFile {
  const walker = openWalker(root);
  try {
    const followed = followWithin(walker, path);
    if (followed.kind !== 'found') return { kind: followed.kind };
    const found = withFileBelow(root, followed.path, (file): SmallFile => {
      if (file.stats.size > maxBytes) return { kind: 'too large' };
      const pieces: Buffer[] = [];
      readPieces(file, readBuffer(file.stats.size), (piece) => pieces.push(Buffer.from(piece)));
      const bytes = Buffer.concat(pieces);
      return isUtf8(bytes) ? { kind: 'text', text: bytes.toString() } : { kind: 'not UTF-8' };
    });
    return found ?? { kind: 'no file' };
  } finally {
    walker.close();
  }
}

/** Where the Dockerfile of a build is. */
export type DockerfilePlace =
  | { readonly kind: 'input' }
  /** Path of a file of this machine. */
  | { readonly kind: 'local'; readonly path: string }
  /** Path in the context. */
  | { readonly kind: 'context'; readonly path: string };

/** The patterns of a fetched context, as contextIgnore; no link leads out of it. */
export function fetchedIgnore(root: string, dockerfile: DockerfilePlace): IgnoreMatcher {
  const own = dockerfile.kind === 'input' ? undefined : `${dockerfile.path}.dockerignore`;
  const ownText =
    own === undefined || dockerfile.kind === 'local'
      ? own && readIgnoreFile(own)
      : readFetchedText(root, own);
  if (own !== undefined && ownText !== undefined) return compileIgnore(ownText, own);
  for (const name of contextIgnoreNames(dockerfile.kind === 'input' ? '' : dockerfile.path)) {
    const text = readFetchedText(root, name);
    if (text !== undefined) return compileIgnore(text, `${name} (of the build context)`);
  }
  return compileIgnore('', '.dockerignore (of the build context)');
}

/** The patterns of a context: those beside the Dockerfile, else those at its root. */
export function contextIgnore(root: string, dockerfile: string | undefined): IgnoreMatcher {
  const candidates =
    dockerfile === undefined
      ? [join(root, '.dockerignore')]
      : ignoreFileCandidates(dockerfile, root);
  for (const path of candidates) {
    const text = readIgnoreFile(path);
    if (text !== undefined) return compileIgnore(text, path);
  }
  return compileIgnore('', '.dockerignore');
}

/** The patterns of a file that the command line names. @throws UsageError, ContextError, DockerfileError */
export function namedIgnore(path: string): IgnoreMatcher {
  const text = readIgnoreFile(path);
  if (text !== undefined) return compileIgnore(text, path);
  throw new UsageError(`--ignorefile ${path}: there is no such file`, {
    hint: 'check the spelling',
  });
}

/** The directory of a context, without links on the way. @throws ContextError */
export function contextRoot(path: string): string {
  try {
    const root = realpathSync(path);
    if (statSync(root).isDirectory()) return root;
  } catch (error) {
    const problem = isAbsent(error)
      ? `there is no build context ${path}`
      : `the build context ${path} can't be read: ${(error as Error).message}`;
    throw new ContextError(problem, undefined, {
      cause: error,
      hint: 'give the directory with the files that COPY reads, or an archive, a URL, or - for standard input',
    });
  }
  throw new ContextError(`the build context ${path} is not a directory`, undefined);
}

/**
 * Follows symlinks by hand: a target that leaves the context must not be taken for a file.
 * @param isHidden links that are not there, as BuildKit is not sent them
 */
function followWithin(
  walker: Walker,
  path: string,
  isHidden: (link: string) => boolean = () => false,
): Followed {
  const tree = pathTree('forbidden', (at) => {
    const directory = directoryAt(walker, parentPath(at));
    const name = posix.basename(at);
    const stats = directory && lstatEntry(directory, name);
    if (!directory || !stats) return undefined;
    if (!stats.isSymbolicLink()) return { place: at };
    const link = isHidden(at) ? undefined : readLink(directory, name);
    return link === undefined ? undefined : { link };
  });
  const reached = followLinks(tree, path.split('/'));
  if (reached.kind === 'found') return { kind: 'found', path: reached.place };
  return { kind: reached.kind === 'outside' ? 'outside' : 'missing' };
}

/** undefined when there is no directory at a path. */
function directoryAt(walker: Walker, path: string): Directory | undefined {
  try {
    return walker.at(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

function lstatAt(walker: Walker, path: string): Stats | undefined {
  if (path === '') return fstatSync(walker.at('').fd);
  const directory = directoryAt(walker, parentPath(path));
  return directory && lstatEntry(directory, posix.basename(path));
}

/**
 * Opens a build context. It is held open until it is closed: it stays the same directory, whatever
 * another process puts in its place.
 * @param dockerfile path of the Dockerfile, for its own ignore file; undefined for standard input
 * @param ignore the patterns, if the command line names them
 * @throws ContextError when the directory is not there, DockerfileError for a bad ignore file
 */
export function openContext(
  path: string,
  dockerfile: string | undefined,
  ignore?: IgnoreMatcher,
): FileSource {
  const name = contextRoot(path);
  return openTree(name, ignore ?? contextIgnore(name, dockerfile), name);
}

/**
 * Opens a build context that was fetched to a directory of ours. It is never seen again at that
 * place, so that no fingerprints are kept.
 * @param root trusted path
 * @param ignore the patterns, if the command line names them
 * @throws ContextError for an ignore file that leads out, DockerfileError for a bad one
 */
export function openFetched(
  root: string,
  dockerfile: DockerfilePlace,
  ignore?: IgnoreMatcher,
): FileSource {
  return openTree(root, ignore ?? fetchedIgnore(root, dockerfile), undefined);
}

function openTree(
  name: string,
  ignore: IgnoreMatcher,
  fingerprintScope: string | undefined,
): FileSource {
  const top = openRoot(name);
  const root = top.path;
  const walker = openWalker(root);
  const listVisible = (directory: string): Listing => {
    const all = { names: listNames(walker.at(directory)), rootOf: () => root };
    if (ignore.empty) return all;
    const prefix = directory === '' ? '' : `${directory}/`;
    const onlyWithContent = new Set<string>();
    const names = all.names.filter((name) => {
      if (!ignore.ignores(prefix + name)) return true;
      if (!ignore.mayContain(prefix + name)) return false;
      onlyWithContent.add(name);
      return true;
    });
    return { ...all, names, onlyWithContent: (name) => onlyWithContent.has(name) };
  };
  const isIgnored = (relative: string) =>
    relative !== '' && !ignore.empty && ignore.ignores(relative);
  return {
    title: 'the build context',
    ownership: 'root',
    changes: true,
    fingerprintScope,
    locate: (relative) => {
      const ignored = isIgnored(relative);
      if (ignored && !ignore.mayContain(relative)) return undefined;
      const stats = lstatAt(walker, relative);
      return stats && { root, stats, onlyWithContent: ignored };
    },
    follow: (relative) => followWithin(walker, relative, isIgnored),
    list: listVisible,
    plainRoot: () => (ignore.empty ? root : undefined),
    close: () => {
      walker.close();
      closeDirectory(top);
    },
  };
}
