/** What a build of files of this machine depends on, for somebody who waits until it changes. */
import type { FSWatcher } from 'node:fs';
import { lstatSync, readlinkSync, statSync, watch } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { contextIgnore, contextRoot, namedIgnore } from '../../fs/scan/local-context.js';
import type { IgnoreMatcher } from '../../fs/select/ignore.js';
import { compileIgnore } from '../../fs/select/ignore.js';
import type { Changes } from '../../fs/watch-tree.js';
import { watchError, watchTree } from '../../fs/watch-tree.js';
import { lockPath } from '../../lock/lock-file.js';
import { ContextError, DockerfileError, UsageError } from '../../util/errors.js';
import { parseBuildContexts } from '../inputs/build-contexts.js';
import { isElsewhere, remoteContext } from '../inputs/build-input.js';
import { usualPath } from '../inputs/find-dockerfile.js';
import type { DockerfileRequest } from '../request.js';

/** A directory whose files a build may read. */
interface Tree {
  /** Absolute path without symbolic links. */
  readonly root: string;
  readonly ignore: IgnoreMatcher;
}

/** What is told of a change. */
export interface PlaceChange {
  /** What belongs to the build may be something else now: the Dockerfile, say, or .dockerignore. */
  readonly isOfInstructions: boolean;
}

/** Is the path below the directory, or the directory itself? */
function isWithin(directory: string, path: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}

/** Neither the path nor anything below it is part of the context. */
function leavesOut({ ignore }: Tree, path: string): boolean {
  return path !== '' && ignore.ignores(path) && !ignore.mayContain(path);
}

/** Patterns that are wrong leave nothing out: the build says what is wrong. */
function readIgnore(read: () => IgnoreMatcher): IgnoreMatcher {
  try {
    return read();
  } catch (error) {
    if (error instanceof DockerfileError) return compileIgnore('', '.dockerignore');
    throw error;
  }
}

/** Paths of the contexts that are directories, as they were given; the main one comes first. */
function contextPaths({ context, contexts = {} }: DockerfileRequest): string[] {
  const named = [...parseBuildContexts(contexts).sources.values()];
  return [context, ...named.filter((value) => remoteContext(value) === undefined)];
}

/** @throws UsageError for what can't be watched, ContextError where there is no such directory */
export function requirePlaces(request: DockerfileRequest): void {
  if (request.file === '-' || isElsewhere(request.context, request.file))
    throw new UsageError('--watch needs files of this machine', {
      hint: 'give a directory as the build context, and the Dockerfile as a file',
    });
  for (const path of contextPaths(request)) contextRoot(path);
}

/** Undefined for one that is not there now. */
function findRoot(path: string): string | undefined {
  try {
    return contextRoot(path);
  } catch (error) {
    if (error instanceof ContextError) return undefined;
    throw error;
  }
}

function treesOf(request: DockerfileRequest, dockerfile: string): Tree[] {
  const { ignoreFile } = request;
  return contextPaths(request).flatMap((path, index) => {
    const root = findRoot(path);
    if (root === undefined) return [];
    const isMain = index === 0;
    const ignore = readIgnore(() =>
      isMain && ignoreFile !== undefined
        ? namedIgnore(ignoreFile)
        : contextIgnore(root, isMain ? dockerfile : undefined),
    );
    return [{ root, ignore }];
  });
}

/**
 * Watches everything that a build reads of this machine: the Dockerfile, what is beside it, the contexts. What is
 * not there is waited for.
 * @param apart paths of directories that are not looked at, whatever has them: the store
 * @throws UsageError, LimitError, the system's errors
 */
export function watchPlaces(
  request: DockerfileRequest,
  apart: readonly string[],
  onChange: (change: PlaceChange) => void,
): { readonly close: () => void } {
  const dockerfile = resolve(request.file ?? usualPath(request.context));
  const trees = treesOf(request, dockerfile);
  const instructions = new Set([
    ...[dockerfile, `${dockerfile}.dockerignore`, lockPath(dockerfile)],
    ...(request.ignoreFile === undefined ? [] : [resolve(request.ignoreFile)]),
    ...trees.flatMap(({ root }) => [join(root, '.dockerignore'), join(root, '.containerignore')]),
  ]);
  const names = new Set([...instructions].map((path) => basename(path)));
  const isNamed = (path: string) => names.has(basename(path));
  const tell = (tree: Tree, changes: Changes): void => {
    const isKnown = changes !== 'unknown';
    const told = isKnown
      ? changes.filter((path) => isNamed(path) || !leavesOut(tree, path))
      : [...instructions];
    // Of what is unknown, there may be more directories now than can be watched: they are opened again.
    if (told.length > 0) onChange({ isOfInstructions: told.some(isNamed) });
  };
  const aside = apart.map((path) => findRoot(path) ?? path);
  const opened: { readonly close: () => void }[] = [];
  const close = (): void => {
    for (const one of opened) one.close();
  };
  try {
    for (const tree of trees) {
      const isApart = (path: string) =>
        leavesOut(tree, path) || aside.includes(join(tree.root, path));
      opened.push(watchTree(tree.root, isApart, (changes) => tell(tree, changes)));
    }
    // A directory that is replaced as a whole tells nobody, but the one that it is in does.
    const whole = [...contextPaths(request).flatMap(followed), ...trees.map(({ root }) => root)];
    const elsewhere = [...instructions].filter(
      (path) => !trees.some(({ root }) => isWithin(root, path)),
    );
    for (const [directory, wanted] of namesByDirectory([...whole, ...elsewhere]))
      opened.push(watchNames(directory, wanted, () => onChange({ isOfInstructions: true })));
  } catch (error) {
    close();
    throw error;
  }
  return { close };
}

/** Where each path is to be waited for: in its directory, or in the nearest one that is there. */
function namesByDirectory(paths: readonly string[]): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const path of paths) {
    let [directory, name] = [dirname(path), basename(path)];
    while (!isDirectory(directory)) [directory, name] = [dirname(directory), basename(directory)];
    found.set(directory, (found.get(directory) ?? new Set()).add(name));
  }
  return found;
}

/** As many symbolic links as Linux follows. */
const MOST_LINKS = 40;

/** A path and where the links lead that it names, one after the other; the last one may not be there. */
function followed(path: string): string[] {
  const paths = [resolve(path)];
  for (let last = paths[0]; last !== undefined && paths.length <= MOST_LINKS; ) {
    if (lstatSync(last, { throwIfNoEntry: false })?.isSymbolicLink() !== true) break;
    last = resolve(dirname(last), readlinkSync(last));
    paths.push(last);
  }
  return paths;
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Files that are in no context: what else is in their directory may be anything. */
function watchNames(
  directory: string,
  names: ReadonlySet<string>,
  onChange: () => void,
): FSWatcher {
  try {
    return watch(directory, (_event, name) => {
      if (name === null || names.has(name)) onChange();
    }).on('error', onChange);
  } catch (error) {
    throw watchError(error);
  }
}
