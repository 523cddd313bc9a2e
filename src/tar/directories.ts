/**
 * The directories of a layer that is being unpacked. The layer starts empty and nobody else writes
 * into it, so that every directory in it is one we made: what is a node here is a real directory,
 * never a symlink, and no lstat is needed to know it.
 */
import { lstatSync, mkdirSync, readlinkSync } from 'node:fs';
import { ImageError } from '../oci/errors.js';
import type { Attributes } from './attributes.js';
import type { ByteString } from './entry.js';
import { display, fsPath } from './entry.js';
import type { Pending } from './pending.js';
import { createPending } from './pending.js';

export interface DirectoryNode {
  /** Relative to the layer; empty for the layer itself. */
  readonly path: ByteString;
  readonly parent: DirectoryNode | undefined;
  readonly children: Map<ByteString, DirectoryNode>;
  /** Of the last entry for it; undefined: the archive has none. */
  attributes: Attributes | undefined;
  opaque: boolean;
  /** Names in it that hide those of the layers below. */
  whiteouts: ByteString[] | undefined;
}

/** A layer that is being unpacked. */
export interface LayerTree {
  /** Path of the layer's directory. */
  readonly root: ByteString;
  readonly top: DirectoryNode;
  readonly pending: Pending;
}

/** As many as Linux follows in one path. */
const MAX_SYMLINKS = 40;

export function childPath(directory: DirectoryNode, name: ByteString): ByteString {
  return directory.path === '' ? name : `${directory.path}/${name}`;
}

function createNode(parent: DirectoryNode | undefined, name: ByteString): DirectoryNode {
  return {
    path: parent === undefined ? '' : childPath(parent, name),
    parent,
    children: new Map(),
    attributes: undefined,
    opaque: false,
    whiteouts: undefined,
  };
}

/** @param directory the layer's directory, empty */
export function createTree(directory: string): LayerTree {
  return {
    root: Buffer.from(directory).toString('latin1'),
    top: createNode(undefined, ''),
    pending: createPending(directory),
  };
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
  const node = createNode(parent, name);
  mkdirSync(fsPath(`${tree.root}/${node.path}`), { mode: 0o700 });
  parent.children.set(name, node);
  return node;
}

/** The target of a symlink, or undefined when nothing is there. @throws ImageError for a file */
function symlinkAt({ root, pending }: LayerTree, path: ByteString): ByteString | undefined {
  if (pending.has(path)) pending.flush();
  const full = fsPath(`${root}/${path}`);
  const stats = lstatSync(full, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  if (!stats.isSymbolicLink()) {
    throw new ImageError(`the archive holds entries below ${display(path)}, which is no directory`);
  }
  return readlinkSync(full, 'buffer').toString('latin1');
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
  let at = tree.top;
  let followed = 0;
  // The next component is the last.
  const todo = [...parts].reverse();
  for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      at = at.parent ?? at;
      continue;
    }
    const known = at.children.get(part);
    if (known !== undefined) {
      at = known;
      continue;
    }
    const target = symlinkAt(tree, childPath(at, part));
    if (target === undefined) {
      if (missing === 'give up') return undefined;
      at = makeDirectory(tree, at, part);
      continue;
    }
    followed += 1;
    if (followed > MAX_SYMLINKS) {
      throw new ImageError(`the archive has a loop of symlinks at ${display(childPath(at, part))}`);
    }
    if (target.startsWith('/')) at = tree.top;
    todo.push(...target.split('/').reverse());
  }
  return at;
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
