/** The build context: a directory of this machine, seen through .dockerignore. */
import { lstatSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { ContextError } from '../errors.js';
import type { IgnoreMatcher } from './ignore.js';
import { compileIgnore, ignoreFileCandidates } from './ignore.js';
import type { FileSource, Followed, Listing } from './source.js';
import { plainListing } from './source.js';

/** As many as the kernel follows in one path before it gives ELOOP. */
const MAX_SYMLINKS = 40;

/** The patterns of a context: those beside the Dockerfile, else those at its root. */
export function contextIgnore(root: string, dockerfile: string | undefined): IgnoreMatcher {
  const candidates =
    dockerfile === undefined
      ? [join(root, '.dockerignore')]
      : ignoreFileCandidates(dockerfile, root);
  for (const path of candidates) {
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      throw error;
    }
    return compileIgnore(text, path);
  }
  return compileIgnore('', '.dockerignore');
}

function contextRoot(path: string): string {
  try {
    const root = realpathSync(path);
    if (statSync(root).isDirectory()) return root;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
    throw new ContextError(`there is no build context ${path}`, undefined, {
      hint: 'give the directory that holds the files to be copied',
    });
  }
  throw new ContextError(`the build context ${path} is not a directory`, undefined);
}

/** Follows symlinks by hand: a target that leaves the context must not be taken for a file. */
function followWithin(root: string, path: string): Followed {
  const pending = path.split('/').filter(Boolean);
  const done: string[] = [];
  let followed = 0;
  for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
    if (name === '.') continue;
    if (name === '..') {
      if (done.pop() === undefined) return { kind: 'outside' };
      continue;
    }
    const here = join(root, ...done, name);
    const stats = lstatSync(here, { throwIfNoEntry: false });
    if (!stats) return { kind: 'missing' };
    if (!stats.isSymbolicLink()) {
      done.push(name);
      continue;
    }
    followed += 1;
    if (followed > MAX_SYMLINKS) return { kind: 'missing' };
    const target = readlinkSync(here);
    if (posix.isAbsolute(target)) return { kind: 'outside' };
    pending.unshift(...target.split('/').filter(Boolean));
  }
  return { kind: 'found', path: done.join('/') };
}

/**
 * Opens a build context.
 * @param dockerfile path of the Dockerfile, for its own ignore file; undefined for standard input
 * @throws ContextError when the directory is not there, DockerfileError for a bad ignore file
 */
export function openContext(path: string, dockerfile: string | undefined): FileSource {
  const root = contextRoot(path);
  const ignore = contextIgnore(root, dockerfile);
  const host = (relative: string) => (relative === '' ? root : `${root}/${relative}`);
  const exists = (relative: string) =>
    lstatSync(host(relative), { throwIfNoEntry: false }) !== undefined;
  const listVisible = (directory: string): Listing => {
    const all = plainListing(host(directory));
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
  return {
    title: 'the build context',
    ownership: 'root',
    fingerprintScope: root,
    locate: (relative) =>
      exists(relative) &&
      (relative === '' || ignore.empty || !ignore.ignores(relative) || ignore.mayContain(relative))
        ? host(relative)
        : undefined,
    follow: (relative) => followWithin(root, relative),
    list: listVisible,
  };
}
