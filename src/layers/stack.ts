/**
 * The merged view of a stack of layers, read from the layer directories themselves: what a mounted
 * overlay would show, without a mount (kernel documentation, filesystems/overlayfs: "Merging
 * directories", "whiteouts and opaque directories").
 */

import type { Stats } from 'node:fs';
import { listKinds, lstatEntry } from '../fs/directory.js';
import { lstatBelow, readLinkBelow } from '../fs/read.js';
import { withWalkers } from '../fs/walker.js';

/** A layer directory with its opaque directories (paths relative to it, no leading slash). */
export interface StackLayer {
  readonly path: string;
  readonly opaque: ReadonlySet<string>;
}

/** Layers, topmost first, as in a lowerdir string. */
export type Stack = readonly StackLayer[];

/** A file of the merged view. */
export interface StackEntry {
  /** In the merged view, and below `root`. */
  readonly path: string;
  /** Path of the topmost layer that has it. */
  readonly root: string;
  readonly stats: Stats;
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
      const stats = lstatBelow(layer.path, path);
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
    // The layer itself may be a link to files that another program keeps.
    const stats = lstatBelow(layer.path, clean === '' ? '.' : clean);
    if (stats === undefined) continue;
    return isWhiteout(stats) ? undefined : { path: clean, root: layer.path, stats };
  }
  return undefined;
}

/** A name of the merged view, and the path of the topmost layer that has it. */
export interface StackName {
  readonly name: string;
  readonly root: string;
}

/** The entries of a directory of the merged view, whiteouts applied, sorted by name. */
export function listDirectory(stack: Stack, path: string): StackName[] {
  const components = split(path);
  const clean = components.join('/');
  const found = new Map<string, string | undefined>();
  withWalkers((walkers) => {
    for (const layer of layersOf(stack, components)) {
      const directory = walkers.at(layer.path, clean);
      for (const { name, isDevice } of listKinds(directory)) {
        if (found.has(name)) continue;
        const stats = isDevice ? lstatEntry(directory, name) : undefined;
        found.set(name, stats && isWhiteout(stats) ? undefined : layer.path);
      }
    }
  });
  const entries: StackName[] = [];
  for (const [name, root] of found) if (root !== undefined) entries.push({ name, root });
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
      const target = readLinkBelow(entry.root, entry.path) ?? '';
      if (target.startsWith('/')) done.length = 0;
      pending.unshift(...split(target));
    } else done.push(name);
  }
  const clean = done.join('/');
  return { path: clean, entry: locate(stack, clean) };
}
