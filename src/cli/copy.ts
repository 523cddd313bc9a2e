/** `wiac copy` */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { getParts, makeLayerDirectory } from '../executor/local/layer-directory.js';
import { resolve as resolveInLayer } from '../fs/layer/stack.js';
import { libraryClosure } from '../libs/closure.js';
import { copyFileTree } from '../native/transfer-files.js';
import { ContextError, UsageError } from '../util/errors.js';
import { makeDirectories } from '../util/make-directories.js';
import { statNamed } from '../util/stat-named.js';
import { getUsage } from './declare/declare-usage.js';

interface CopyOptions {
  readonly libs: boolean;
}

/** A file is where a directory has to be. */
const OF_FILES = new Set(['EEXIST', 'ENOTDIR']);

const placeOf = (path: string) => ({ root: dirname(path), path: basename(path) });

async function cp(source: string, target: string): Promise<void> {
  try {
    makeDirectories(dirname(target));
    // A symbolic link that is named is followed.
    const from = realpathSync(source);
    const isDirectory = statSync(from).isDirectory();
    if (isDirectory && `${target}/`.startsWith(from === '/' ? from : `${from}/`))
      throw new ContextError(`${source} can't be copied: the layer is in it`, undefined, {
        hint: 'give a layer directory that is elsewhere',
      });
    // Of a directory the content is copied, as COPY does.
    if (isDirectory) makeDirectories(target);
    // A link that is in the layer is replaced, never written through.
    const into = isDirectory ? { root: target, path: '' } : placeOf(target);
    await copyFileTree(isDirectory ? { root: from, path: '' } : placeOf(from), into);
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (syscall === undefined) throw error;
    throw new ContextError(`${source} can't be copied: ${(error as Error).message}`, undefined, {
      cause: error,
      hint: OF_FILES.has(code ?? '')
        ? 'the layer has a file there; to copy one file into a directory, end it with a slash: /bin/'
        : undefined,
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
    if (!statNamed(source)) {
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
    sources.length > 1 || destination.endsWith('/') || (statNamed(target)?.isDirectory() ?? false);
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
