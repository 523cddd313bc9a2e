/** What a build of files of this machine depends on, for somebody who waits until it changes. */
import type { FSWatcher } from 'node:fs';
import { readdirSync, watch } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { contextIgnore, contextRoot, namedIgnore } from '../../fs/scan/local-context.js';
import type { IgnoreMatcher } from '../../fs/select/ignore.js';
import { compileIgnore } from '../../fs/select/ignore.js';
import type { Changes } from '../../fs/watch-tree.js';
import { watchTree } from '../../fs/watch-tree.js';
import { lockPath } from '../../lock/lock-file.js';
import { DockerfileError, UsageError } from '../../util/errors.js';
import { parseBuildContexts } from '../inputs/build-contexts.js';
import { isElsewhere, remoteContext, usualPath } from '../inputs/build-input.js';
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
function leavesOut({ root, ignore }: Tree, path: string): boolean {
  const name = relative(root, path);
  return name !== '' && ignore.ignores(name) && !ignore.mayContain(name);
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

/** Directories at the top of which nothing is part of the context: `node_modules`, `.git`. */
function excludedDirectories(tree: Tree): string[] {
  return readdirSync(tree.root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(tree.root, name))
    .filter((path) => leavesOut(tree, path));
}

/** @throws UsageError for what can't be watched, ContextError where there is no such directory */
function requireLocal({ context, file }: DockerfileRequest): void {
  if (file !== '-' && !isElsewhere(context, file)) return;
  throw new UsageError('--watch needs files of this machine', {
    hint: 'give a directory as the build context, and the Dockerfile as a file',
  });
}

function treesOf(request: DockerfileRequest, dockerfile: string): Tree[] {
  const { ignoreFile, contexts = {} } = request;
  const root = contextRoot(request.context);
  const main = readIgnore(() =>
    ignoreFile === undefined ? contextIgnore(root, dockerfile) : namedIgnore(ignoreFile),
  );
  const named = [...parseBuildContexts(contexts).sources.values()]
    .filter((value) => remoteContext(value) === undefined)
    .map((value) => {
      const path = contextRoot(value);
      return { root: path, ignore: readIgnore(() => contextIgnore(path, undefined)) };
    });
  return [{ root, ignore: main }, ...named];
}

/**
 * Watches everything that a build reads of this machine: the Dockerfile, what is beside it, the contexts.
 * @param apart absolute paths of directories that are not looked at, whatever has them: the store
 * @throws UsageError, ContextError, UnsupportedError, the system's errors
 */
export async function watchPlaces(
  request: DockerfileRequest,
  apart: readonly string[],
  onChange: (change: PlaceChange) => void,
): Promise<{ readonly close: () => Promise<void> }> {
  requireLocal(request);
  const dockerfile = resolve(request.file ?? usualPath(request.context));
  const trees = treesOf(request, dockerfile);
  const instructions = new Set([
    ...[dockerfile, `${dockerfile}.dockerignore`, lockPath(dockerfile)],
    ...(request.ignoreFile === undefined ? [] : [resolve(request.ignoreFile)]),
    ...trees.flatMap(({ root }) => [join(root, '.dockerignore'), join(root, '.containerignore')]),
  ]);
  const names = new Set([...instructions].map((path) => basename(path)));
  const tell = (tree: Tree, changes: Changes): void => {
    const isNamed = (path: string) => names.has(basename(path));
    const told =
      changes === 'unknown'
        ? [...instructions]
        : changes.filter((path) => isNamed(path) || !leavesOut(tree, path));
    if (told.length > 0) onChange({ isOfInstructions: told.some(isNamed) });
  };
  const opened: { readonly close: () => unknown }[] = [];
  try {
    for (const tree of trees) {
      const ignored = [...excludedDirectories(tree), ...apart];
      opened.push(await watchTree(tree.root, ignored, (changes) => tell(tree, changes)));
    }
    const elsewhere = [...instructions].filter(
      (path) => !trees.some(({ root }) => isWithin(root, path)),
    );
    for (const directory of new Set(elsewhere.map((path) => dirname(path))))
      opened.push(watchNames(directory, names, () => onChange({ isOfInstructions: true })));
  } catch (error) {
    for (const one of opened) await one.close();
    throw error;
  }
  return {
    async close() {
      for (const one of opened) await one.close();
    },
  };
}

/** Files that are in no context: what else is in their directory may be anything. */
function watchNames(
  directory: string,
  names: ReadonlySet<string>,
  onChange: () => void,
): FSWatcher {
  return watch(directory, (_event, name) => {
    if (name === null || names.has(name)) onChange();
  }).on('error', onChange);
}
