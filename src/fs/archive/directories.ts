/**
 * The directories of a layer that is being unpacked. What is a node here is a real directory, never
 * a symlink: one that was made here, or that was looked at. They are opened by descriptor, one
 * component at a time (fs/walker.ts).
 */
import { lstatSync, mkdirSync, readlinkSync } from 'node:fs';
import { ImageError } from '../../oci/image-error.js';
import type { ByteString, TarEntry } from '../../oci/tar/entry.js';
import { display, fsPath } from '../../oci/tar/entry.js';
import { entryPath } from '../directory.js';
import type { Component } from '../follow-links.js';
import { followLinks } from '../follow-links.js';
import { pathBelow } from '../tree-path.js';
import type { Walker } from '../walker.js';
import { openWalker } from '../walker.js';
import type { Attributes } from './attributes.js';
import type { Pending } from './pending.js';
import { createPending } from './pending.js';

export interface DirectoryNode {
  /** Relative to the layer; empty for the layer itself. */
  readonly path: ByteString;
  readonly parent: DirectoryNode | undefined;
  readonly children: Map<ByteString, DirectoryNode>;
  /** Of the last entry for it; undefined: the archive has none. */
  attributes: Attributes | undefined;
  /** It was there before the archive, which may have no entry for it. */
  readonly existed: boolean;
  opaque: boolean;
  /** Names in it that hide those of the layers below. */
  whiteouts: ByteString[] | undefined;
}

/** What the layers below have at a path. */
export type BaseEntry =
  | { readonly kind: 'directory'; readonly attributes: Attributes }
  | { readonly kind: 'symlink'; readonly target: ByteString }
  | { readonly kind: 'other' };

/** The layers below the one that is being unpacked. */
export interface BaseLayers {
  /** What they have at a path. */
  find(path: ByteString): BaseEntry | undefined;
  /** Extended attributes of their directories, by path; only of those that have any. */
  readXattrs(paths: readonly ByteString[]): Promise<ReadonlyMap<ByteString, TarEntry['xattrs']>>;
}

/** A layer that is being unpacked. */
export interface LayerTree {
  /** Trusted path of the directory that it is unpacked into. */
  readonly root: string;
  readonly walker: Walker;
  /** For two directories at once. */
  readonly second: Walker;
  readonly top: DirectoryNode;
  readonly pending: Pending;
  /** Undefined where an archive is a layer of its own: what is below it does not matter then. */
  readonly base: BaseLayers | undefined;
}

export function childPath(directory: DirectoryNode, name: ByteString): ByteString {
  return pathBelow(directory.path, name);
}

function createNode(
  parent: DirectoryNode | undefined,
  name: ByteString,
  existed: boolean,
): DirectoryNode {
  return {
    path: parent === undefined ? '' : childPath(parent, name),
    parent,
    children: new Map(),
    attributes: undefined,
    existed,
    opaque: false,
    whiteouts: undefined,
  };
}

/** @param root trusted path of the directory that is unpacked into */
export function createTree(root: string, base: BaseLayers | undefined): LayerTree {
  return {
    root,
    walker: openWalker(root, 'bytes'),
    second: openWalker(root, 'bytes'),
    top: createNode(undefined, '', true),
    pending: createPending(root),
    base,
  };
}

/** The path of a directory's entry for Node's functions; valid until the walker moves on. */
export function entryAt(
  walker: Walker,
  directory: DirectoryNode,
  name: ByteString,
): string | Buffer {
  return fsPath(entryPath(walker.at(directory.path), name));
}

/**
 * Makes a directory. Its permissions come at the end, so that until then entries can be made in a
 * read-only one and don't inherit the group of a setgid one.
 */
export function makeDirectory(
  tree: LayerTree,
  parent: DirectoryNode,
  name: ByteString,
): DirectoryNode {
  mkdirSync(entryAt(tree.walker, parent, name), { mode: 0o700 });
  return addNode(parent, name, false);
}

/** A directory that is there already. */
export function adoptDirectory(parent: DirectoryNode, name: ByteString): DirectoryNode {
  return addNode(parent, name, true);
}

function addNode(parent: DirectoryNode, name: ByteString, existed: boolean): DirectoryNode {
  const node = createNode(parent, name, existed);
  parent.children.set(name, node);
  return node;
}

type Found = Component<DirectoryNode> | undefined;

function refuseFile(path: ByteString): never {
  throw new ImageError(`the archive holds entries below ${display(path)}, which is no directory`);
}

/** What is at a name that is no node yet. @throws ImageError for a file */
function look(tree: LayerTree, parent: DirectoryNode, name: ByteString): Found {
  const path = childPath(parent, name);
  if (tree.pending.has(path)) tree.pending.flushNow();
  const entry = entryAt(tree.walker, parent, name);
  const stats = lstatSync(entry, { throwIfNoEntry: false });
  if (stats === undefined) return lookBelow(tree, parent, name);
  if (stats.isDirectory()) return { place: adoptDirectory(parent, name) };
  if (!stats.isSymbolicLink()) refuseFile(path);
  return { link: readlinkSync(entry, 'buffer').toString('latin1') };
}

/** A directory of the layers below is there for the archive too: it gets an equal one on top. */
function lookBelow(tree: LayerTree, parent: DirectoryNode, name: ByteString): Found {
  const path = childPath(parent, name);
  const below = tree.base?.find(path);
  if (below === undefined) return undefined;
  if (below.kind === 'symlink') return { link: below.target };
  if (below.kind === 'other') refuseFile(path);
  const node = makeDirectory(tree, parent, name);
  node.attributes = below.attributes;
  return { place: node };
}

/**
 * Finds a directory by its components, and makes what is missing. Symlinks are followed as a
 * process in the container would: `/` is the layer, and `..` does not lead out of it. The kernel
 * never gets to follow one.
 * @param missing what to do at a component that does not exist: make it, or return undefined
 * @throws ImageError when a component is neither directory nor symlink, or for a loop of symlinks
 */
export function findDirectory(
  tree: LayerTree,
  parts: readonly ByteString[],
  missing: 'make' | 'give up',
): DirectoryNode | undefined {
  const enter = (at: DirectoryNode, name: ByteString): Found => {
    const known = at.children.get(name);
    if (known !== undefined) return { place: known };
    const found = look(tree, at, name);
    if (found !== undefined || missing === 'give up') return found;
    return { place: makeDirectory(tree, at, name) };
  };
  const above = ({ parent }: DirectoryNode) => parent;
  const reached = followLinks({ top: tree.top, outside: 'nothing', enter, above }, parts);
  if (reached.kind === 'loop') {
    const path = childPath(reached.place, reached.name);
    throw new ImageError(`the archive has a loop of symlinks at ${display(path)}`);
  }
  return reached.kind === 'found' ? reached.place : undefined;
}

/** A directory and all below it, parents first. */
export function* everyDirectory(top: DirectoryNode): Generator<DirectoryNode> {
  // A stack instead of recursion: archives may nest deeper than JavaScript can.
  const stack = [top];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    yield node;
    stack.push(...node.children.values());
  }
}
