/** `wiac copy` */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { getParts, makeLayerDirectory } from '../executor/local/layer-directory.js';
import { resolve as resolveInLayer } from '../fs/layer/stack.js';
import { libraryClosure } from '../libs/closure.js';
import { copyFileTree } from '../native/transfer-files.js';
import { ContextError, UsageError } from '../util/errors.js';
import { makeDirectories } from '../util/make-directories.js';
import { getUsage } from './declare/declare-usage.js';

interface CopyOptions {
  readonly libs: boolean;
}

const placeOf = (path: string) => ({ root: dirname(path), path: basename(path) });

async function cp(source: string, target: string): Promise<void> {
  makeDirectories(dirname(target));
  // A symbolic link that is named is followed.
  const from = realpathSync(source);
  const isDirectory = statSync(from).isDirectory();
  // Of a directory the content is copied, as COPY does.
  if (isDirectory) makeDirectories(target);
  try {
    // A link that is in the layer is replaced, never written through.
    const into = isDirectory ? { root: target, path: '' } : placeOf(target);
    await copyFileTree(isDirectory ? { root: from, path: '' } : placeOf(from), into);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw new ContextError(`${source} can't be copied: ${(error as Error).message}`, undefined, {
      cause: error,
    });
  }
}

/** Where a path of the image is in the layer directory, its symbolic links followed inside. */
function inLayer(layer: string, path: string): string {
  const resolved = resolveInLayer([{ path: layer, opaque: new Set() }], path);
  if (!resolved) throw new UsageError(`too many symbolic links in ${path}`);
  return join(layer, resolved.path);
}

/** Copies files into `diff` of a layer directory. @throws UsageError, ContextError, NotFoundError */
export async function copyCommand(
  layerdir: string,
  paths: readonly string[],
  options: CopyOptions,
): Promise<void> {
  const sources = paths.slice(0, -1);
  const destination = paths.at(-1);
  if (destination === undefined || sources.length === 0) {
    throw new UsageError('there is no destination', { hint: getUsage('copy') });
  }
  for (const source of sources) {
    if (!statSync(source, { throwIfNoEntry: false })) {
      throw new ContextError(`${source} does not exist`, undefined, {
        hint: 'check the spelling of the source',
      });
    }
  }
  const { diff } = getParts(layerdir);
  makeLayerDirectory(diff);
  const layer = realpathSync(diff);
  const target = inLayer(layer, destination);
  const intoDirectory =
    sources.length > 1 ||
    destination.endsWith('/') ||
    (statSync(target, { throwIfNoEntry: false })?.isDirectory() ?? false);
  for (const source of sources) {
    const name = resolve(source).split('/').at(-1) ?? '';
    const isDirectory = statSync(source).isDirectory();
    await cp(resolve(source), intoDirectory && !isDirectory ? join(target, name) : target);
  }
  if (!options.libs) return;
  const programs = sources
    .filter((source) => statSync(source).isFile())
    .map((source) => resolve(source));
  for (const library of libraryClosure(programs)) {
    const target = inLayer(layer, library.path);
    // A linker's configuration that the layer already has is of its own system.
    if (library.kind !== 'loader-config' || !existsSync(target)) await cp(library.target, target);
  }
}
