/**
 * The merged view of a stack of layers, read from the layer directories themselves: what a mounted
 * overlay would show, without a mount (kernel documentation, filesystems/overlayfs: "Merging
 * directories", "whiteouts and opaque directories").
 */

import type { Stats } from 'node:fs';
import { lstatSync, readdirSync, readlinkSync } from 'node:fs';

/** A layer directory with its opaque directories (paths relative to it, no leading slash). */
export interface StackLayer {
  readonly path: string;
  readonly opaque: ReadonlySet<string>;
}

/** Layers, topmost first, as in a lowerdir string. */
export type Stack = readonly StackLayer[];

/** A file of the merged view; `hostPath` is in the topmost layer that has it. */
export interface StackEntry {
  readonly path: string;
  readonly hostPath: string;
  readonly stats: Stats;
}

function tryLstat(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** A whiteout is a character device with device number 0/0. */
export function isWhiteout(stats: Stats): boolean {
  return stats.isCharacterDevice() && stats.rdev === 0;
}

/** The layers that contribute to a directory of the merged view, topmost first. */
function layersOf(stack: Stack, components: readonly string[]): Stack {
  let visible = stack;
  let path = '';
  for (const name of components) {
    path = path === '' ? name : `${path}/${name}`;
    const contributing: StackLayer[] = [];
    for (const layer of visible) {
      const stats = tryLstat(`${layer.path}/${path}`);
      if (stats === undefined) continue;
      // Anything but a directory ends the merge: a whiteout, or a file that hides what is below.
      if (!stats.isDirectory()) break;
      contributing.push(layer);
      if (layer.opaque.has(path)) break;
    }
    visible = contributing;
  }
  return visible;
}

function split(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

/**
 * Finds a path whose parent directories are taken literally: symlinks are not followed.
 * @param path relative to the root of the stack, '' is the root
 */
export function locate(stack: Stack, path: string): StackEntry | undefined {
  const components = split(path);
  const name = components.pop();
  const clean = name === undefined ? '' : [...components, name].join('/');
  for (const layer of layersOf(stack, components)) {
    const hostPath = clean === '' ? layer.path : `${layer.path}/${clean}`;
    const stats = tryLstat(hostPath);
    if (stats === undefined) continue;
    return isWhiteout(stats) ? undefined : { path: clean, hostPath, stats };
  }
  return undefined;
}

/** The entries of a directory of the merged view, whiteouts applied, sorted by name. */
export function listDirectory(stack: Stack, path: string): { name: string; hostPath: string }[] {
  const components = split(path);
  const prefix = components.length === 0 ? '' : `${components.join('/')}/`;
  const found = new Map<string, string | undefined>();
  for (const layer of layersOf(stack, components)) {
    for (const dirent of readdirSync(`${layer.path}/${prefix}`, { withFileTypes: true })) {
      if (found.has(dirent.name)) continue;
      const hostPath = `${layer.path}/${prefix}${dirent.name}`;
      const hidden = dirent.isCharacterDevice() && isWhiteout(lstatSync(hostPath));
      found.set(dirent.name, hidden ? undefined : hostPath);
    }
  }
  const entries: { name: string; hostPath: string }[] = [];
  for (const [name, hostPath] of found)
    if (hostPath !== undefined) entries.push({ name, hostPath });
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** As many as the kernel follows in one path before it gives ELOOP. */
const MAX_SYMLINKS = 40;

/** Where a path leads when every symlink is followed within the stack's root. */
export interface Resolved {
  /** Path without symlinks, relative to the root, '' is the root. */
  readonly path: string;
  /** undefined when nothing is there (yet); the directories before it may be missing as well. */
  readonly entry: StackEntry | undefined;
}

/**
 * Follows symlinks as a process would whose root is the stack: absolute targets start at that
 * root and `..` stops there.
 * @returns undefined when there are too many symlinks (ELOOP)
 */
export function resolve(stack: Stack, path: string): Resolved | undefined {
  const pending = split(path);
  const done: string[] = [];
  let followed = 0;
  for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
    if (name === '..') {
      done.pop();
      continue;
    }
    const entry = locate(stack, [...done, name].join('/'));
    if (entry?.stats.isSymbolicLink()) {
      followed += 1;
      if (followed > MAX_SYMLINKS) return undefined;
      const target = readlinkSync(entry.hostPath);
      if (target.startsWith('/')) done.length = 0;
      pending.unshift(...split(target));
    } else done.push(name);
  }
  const clean = done.join('/');
  return { path: clean, entry: locate(stack, clean) };
}
