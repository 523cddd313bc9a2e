/**
 * The merged view of a stack of layers, read from the layer directories themselves: what a mounted
 * overlay would show, without a mount (kernel documentation, filesystems/overlayfs: "Merging
 * directories", "whiteouts and opaque directories").
 */

import type { Stats } from 'node:fs';
import { basename } from 'node:path';
import { listKinds, lstatEntry } from '../directory.js';
import { followLinks, pathTree } from '../follow-links.js';
import { mergeDirectory } from '../merge-layers.js';
import { lstatBelow, readLinkBelow } from '../read.js';
import type { TreeEntry } from '../scan/tree.js';
import { parentPath, pathBelow } from '../tree-path.js';
import type { Walkers } from '../walker.js';
import { openWalkers, withWalkers } from '../walker.js';

/** A layer directory with its opaque directories (paths relative to it, no leading slash). */
export interface StackLayer {
  readonly path: string;
  readonly opaque: ReadonlySet<string>;
  /** What was digested of its files, by their path in it; undefined when they have to be read. */
  readonly digested?: ((path: string) => TreeEntry | undefined) | undefined;
  /** None of its files has extended attributes; else they have to be read. */
  readonly withoutXattrs?: boolean | undefined;
}

/** Layers, topmost first, as in a lowerdir string. */
export type Stack = readonly StackLayer[] & { readonly chain?: StackChain };

/**
 * What is known of a stack that stands on another one. Steps look for the same names again and again
 * (/etc/passwd, mount points): with this each asks the layer on top alone, however many are below.
 */
interface StackChain {
  readonly below: Stack;
  readonly directories: Map<string, Shown>;
  readonly entries: Map<string, StackEntry | undefined>;
  readonly open: Map<string, boolean>;
}

/** Who shows a directory. */
interface Shown {
  readonly layers: Stack;
  /** The layer on top is one of them. */
  readonly onTop: boolean;
  /** Nothing of what is below the layer on top is seen in it. */
  readonly hidesBelow: boolean;
}

/** A stack with one more layer on top. The layers must not change any more. */
export function stackOn(below: Stack, layer: StackLayer): Stack {
  const chain: StackChain = { below, directories: new Map(), entries: new Map(), open: new Map() };
  return Object.assign([layer, ...below], { chain });
}

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

function split(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

/**
 * The layers that contribute to a directory, of those that contribute to the directory above it.
 * @param lstat what a layer has at the path
 */
function contributing(
  above: Stack,
  path: string,
  lstat: (layer: StackLayer) => Stats | undefined,
): Stack {
  const layers: StackLayer[] = [];
  for (const layer of above) {
    const stats = lstat(layer);
    if (stats === undefined) continue;
    // Anything but a directory ends the merge: a whiteout, or a file that hides the directory below.
    if (!stats.isDirectory()) break;
    layers.push(layer);
    if (layer.opaque.has(path)) break;
  }
  return layers;
}

function remembered<T>(known: Map<string, T>, path: string, find: () => T): T {
  const there = known.get(path);
  if (there !== undefined || known.has(path)) return there as T;
  const found = find();
  known.set(path, found);
  return found;
}

const getParent = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf('/')));

/** getLayers for a chained stack. */
function shownBy(stack: Stack, chain: StackChain, path: string): Shown {
  const [top] = stack;
  if (path === '' || !top) return { layers: stack, onTop: true, hidesBelow: false };
  return remembered(chain.directories, path, () => {
    const above = shownBy(stack, chain, getParent(path));
    const through = (): Stack => (above.hidesBelow ? [] : getLayers(chain.below, split(path)));
    const stats = above.onTop ? lstatBelow(top.path, path) : undefined;
    if (stats === undefined)
      return { layers: through(), onTop: false, hidesBelow: above.hidesBelow };
    // A whiteout, or a file that hides what is below.
    if (!stats.isDirectory()) return { layers: [], onTop: false, hidesBelow: true };
    if (above.hidesBelow || top.opaque.has(path))
      return { layers: [top], onTop: true, hidesBelow: true };
    return { layers: [top, ...through()], onTop: true, hidesBelow: false };
  });
}

/** locate for a chained stack. */
function locateChained(stack: Stack, chain: StackChain, path: string): StackEntry | undefined {
  const [top] = stack;
  if (!top) return undefined;
  return remembered(chain.entries, path, () => {
    const above = shownBy(stack, chain, getParent(path));
    const stats = above.onTop ? lstatBelow(top.path, path) : undefined;
    if (stats) return isWhiteout(stats) ? undefined : { path, root: top.path, stats };
    return above.hidesBelow ? undefined : locate(chain.below, path);
  });
}

/** The layers that contribute to a directory of the merged view, topmost first. */
function getLayers(stack: Stack, components: readonly string[]): Stack {
  if (stack.chain) return shownBy(stack, stack.chain, components.join('/')).layers;
  let visible = stack;
  let path = '';
  for (const name of components) {
    path = pathBelow(path, name);
    const at = path;
    visible = contributing(visible, at, (layer) => lstatBelow(layer.path, at));
  }
  return visible;
}

/**
 * Finds a path whose parent directories are taken literally: symlinks are not followed.
 * @param path relative to the root of the stack, '' is the root
 */
export function locate(stack: Stack, path: string): StackEntry | undefined {
  const components = split(path);
  if (stack.chain && components.length > 0)
    return locateChained(stack, stack.chain, components.join('/'));
  const name = components.pop();
  const clean = name === undefined ? '' : [...components, name].join('/');
  for (const layer of getLayers(stack, components)) {
    // The layer itself may be a link to files that another program keeps.
    const stats = lstatBelow(layer.path, clean === '' ? '.' : clean);
    if (stats === undefined) continue;
    return isWhiteout(stats) ? undefined : { path: clean, root: layer.path, stats };
  }
  return undefined;
}

/**
 * May a layer below the stack show something at a path that no layer of the stack has?
 * @param path clean: without empty components, `.` and `..`
 */
export function isOpen(stack: Stack, path: string): boolean {
  const { chain } = stack;
  if (chain)
    return remembered(
      chain.open,
      path,
      () => !shownBy(stack, chain, path).hidesBelow && isOpen(chain.below, path),
    );
  const names = split(path);
  const prefixes = names.map((_, index) => names.slice(0, index + 1).join('/'));
  return stack.every((layer) => {
    for (const prefix of prefixes) {
      const stats = lstatBelow(layer.path, prefix);
      if (stats === undefined) return true;
      if (!stats.isDirectory() || layer.opaque.has(prefix)) return false;
    }
    return true;
  });
}

/** A name of the merged view, and the path of the topmost layer that has it. */
export interface StackName {
  readonly name: string;
  readonly isDirectory: boolean;
  readonly root: string;
}

function listLayers(layers: Stack, path: string, walkers: Walkers): StackName[] {
  const merged = mergeDirectory(layers, {
    list: (layer) =>
      listKinds(walkers.at(layer.path, path)).map((kind) => [kind.name, kind] as const),
    getKind: ({ path: root }, name, { isDevice, isDirectory }) => {
      const stats = isDevice ? lstatEntry(walkers.at(root, path), name) : undefined;
      if (stats && isWhiteout(stats)) return 'whiteout';
      return isDirectory ? 'directory' : 'other';
    },
    isOpaque: ({ opaque }, name) => opaque.has(pathBelow(path, name)),
  });
  const entries: StackName[] = [];
  for (const [name, { kind, layers: from }] of merged)
    if (kind !== 'whiteout' && from[0])
      entries.push({ name, isDirectory: kind === 'directory', root: from[0].path });
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The entries of a directory of the merged view, whiteouts applied, sorted by name. */
export function listDirectory(stack: Stack, path: string): StackName[] {
  const components = split(path);
  const layers = getLayers(stack, components);
  return withWalkers((walkers) => listLayers(layers, components.join('/'), walkers));
}

/** Lists one directory after the other, parents before what is in them. */
export interface MergedView {
  /** As listDirectory. @param path clean: without empty components, `.` and `..` */
  list(path: string): StackName[];
  /** The layers that contribute to a directory, topmost first. @param path as in list */
  layersOf(path: string): Stack;
  close(): void;
}

/**
 * The merged view for walking: which layers contribute to a directory is found out once,
 * and directories stay open while what is in them is listed.
 */
export function openMergedView(stack: Stack): MergedView {
  const walkers = openWalkers();
  const known = new Map<string, Stack>([['', stack]]);
  const layersAt = (path: string): Stack => {
    const parent = parentPath(path);
    const above = known.get(parent) ?? getLayers(stack, split(parent));
    const layers = contributing(above, path, (layer) =>
      lstatEntry(walkers.at(layer.path, parent), basename(path)),
    );
    known.set(path, layers);
    return layers;
  };
  const layersOf = (path: string) => known.get(path) ?? layersAt(path);
  return {
    list: (path) => listLayers(layersOf(path), path, walkers),
    layersOf,
    close: walkers.close,
  };
}

/** Where a path leads when every symlink is followed within the stack's root. */
export interface Resolved<Entry = StackEntry> {
  /** Path without symlinks, relative to the root, '' is the root. */
  readonly path: string;
  /** undefined when nothing is there (yet); the directories before it may be missing as well. */
  readonly entry: Entry | undefined;
}

/** The target of a symbolic link; undefined for anything else. */
export function getLink({ root, path, stats }: StackEntry): string | undefined {
  return stats.isSymbolicLink() ? (readLinkBelow(root, path) ?? '') : undefined;
}

/**
 * Follows symlinks as a process would whose root is a merged view: absolute targets start at that
 * root and `..` stops there.
 * @param find what is at a path whose symlinks are not followed
 * @returns undefined when there are too many symlinks (ELOOP)
 */
export function resolveBy<Entry>(
  find: (path: string) => Entry | undefined,
  linkOf: (entry: Entry) => string | undefined,
  path: string,
): Resolved<Entry> | undefined {
  const tree = pathTree('nothing', (at) => {
    const entry = find(at);
    const link = entry === undefined ? undefined : linkOf(entry);
    return link === undefined ? { place: at } : { link };
  });
  const reached = followLinks(tree, path.split('/'));
  if (reached.kind !== 'found') return undefined;
  return { path: reached.place, entry: find(reached.place) };
}

/** As resolveBy, in a stack. */
export function resolve(stack: Stack, path: string): Resolved | undefined {
  return resolveBy((at) => locate(stack, at), getLink, path);
}
