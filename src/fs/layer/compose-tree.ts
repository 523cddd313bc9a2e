/**
 * The tree of a COPY's layer, put together from the trees of what was copied: the files, which were
 * digested on their way into the layer, need not be read for it again.
 */
import { basename, join } from 'node:path';
import type { TreeDigest } from '../../keys/digest.js';
import type { LinkGroups } from '../scan/hard-links.js';
import type { DirectoryEntry, TreeEntry, TreeReader } from '../scan/tree.js';
import { byName, encodeTree } from '../scan/tree.js';
import type { Selection } from '../select/select.js';
import { parentPath } from '../tree-path.js';
import type { EntryAttributes } from '../write.js';
import type { CopyRequest } from './copy-job.js';
import {
  ancestorDirectories,
  goesIntoDirectory,
  targetDirectories,
  targetPath,
} from './copy-target.js';
import { ancestorXattrs } from './destination.js';

/** What a layer holds, as digestLayer finds it. */
export interface Composition {
  readonly tree: TreeDigest;
  readonly links: LinkGroups | undefined;
}

/** Where tree nodes are found, and kept. */
export interface TreeNodes {
  readonly read: TreeReader;
  /** A node as it is kept: to make objects of 20,000 entries takes a tenth of a second. */
  readonly text: (digest: TreeDigest) => string | undefined;
  readonly write: (digest: TreeDigest, text: string) => void;
}

/** A directory while it is put together. */
interface Growing {
  readonly attributes: EntryAttributes;
  readonly entries: Map<string, TreeEntry | Growing>;
}

const isGrowing = (entry: TreeEntry | Growing | undefined): entry is Growing =>
  entry !== undefined && 'entries' in entry;

/** Thrown where files of several sources meet: the layer itself is read then. */
class NotComposable extends Error {}

function directoryAt(root: Growing, path: string): Growing {
  let directory = root;
  for (const name of path === '' ? [] : path.split('/')) {
    const next = directory.entries.get(name);
    if (!isGrowing(next)) throw new NotComposable();
    directory = next;
  }
  return directory;
}

/** Makes a missing directory; an existing one keeps its attributes. */
function addDirectory(root: Growing, path: string, attributes: EntryAttributes): void {
  const parent = directoryAt(root, parentPath(path));
  const name = basename(path);
  const there = parent.entries.get(name);
  if (there === undefined) parent.entries.set(name, { attributes, entries: new Map() });
  else if (!isGrowing(there)) throw new NotComposable();
}

/** @param canReplace a file of a source before it: where files have several names, only the layer tells which are left */
function addEntry(directory: Growing, entry: TreeEntry, canReplace: boolean): void {
  const there = directory.entries.get(entry.name);
  const bothFiles = there !== undefined && !isGrowing(there) && there.type !== 'dir';
  const replaces = bothFiles && entry.type !== 'dir' && canReplace;
  if (there !== undefined && !replaces) throw new NotComposable();
  directory.entries.set(entry.name, entry);
}

/** An entry with the owner and mode that its copy has. */
function copied(request: CopyRequest, nodes: TreeNodes, entry: TreeEntry): TreeEntry {
  const { owner, chmod } = request;
  const isDirectory = entry.type === 'dir';
  const mode = chmod && entry.type !== 'symlink' ? chmod(entry.mode, isDirectory) : entry.mode;
  const now = { ...entry, ...owner, mode };
  if (now.type !== 'dir') return now;
  return { ...now, digest: copiedTree(request, nodes, now.digest) };
}

function copiedTree(request: CopyRequest, nodes: TreeNodes, tree: TreeDigest): TreeDigest {
  if (!request.owner && !request.chmod) return tree;
  const entries = nodes.read(tree).map((entry) => copied(request, nodes, entry));
  const { digest, text } = encodeTree(entries);
  nodes.write(digest, text);
  return digest;
}

function addSelection(
  root: Growing,
  request: CopyRequest,
  nodes: TreeNodes,
  selection: Selection,
  canReplace: boolean,
): void {
  const into = goesIntoDirectory(request, selection);
  if (into)
    for (const { path, attributes } of targetDirectories(request, selection))
      addDirectory(root, path, attributes);
  const path = targetPath(request, selection);
  if (selection.kind === 'directory') {
    const target = directoryAt(root, path);
    for (const entry of nodes.read(selection.tree))
      addEntry(target, copied(request, nodes, entry), canReplace);
    return;
  }
  const [entry] = nodes.read(selection.tree);
  if (!entry) return;
  const full = into ? join(path, selection.name) : request.destination.path;
  const parent = directoryAt(root, parentPath(full));
  addEntry(parent, { ...copied(request, nodes, entry), name: basename(full) }, canReplace);
}

function finish({ entries }: Growing, write: TreeNodes['write']): TreeDigest {
  const all = [...entries].map(([name, entry]): TreeEntry => {
    if (!isGrowing(entry)) return entry;
    const digest = finish(entry, write);
    return { type: 'dir', name, ...entry.attributes, xattrs: [], digest } satisfies DirectoryEntry;
  });
  const { digest, text } = encodeTree(all.sort(byName));
  write(digest, text);
  return digest;
}

function getLinks(request: CopyRequest): LinkGroups | undefined {
  const groups = request.selections.flatMap((selection) =>
    (selection.links ?? []).map((group) =>
      group.map((path) => join(targetPath(request, selection), path)).sort(),
    ),
  );
  if (groups.length === 0) return undefined;
  return groups.sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
}

/**
 * @param request with the selections as they were copied
 * @returns undefined when the layer has to be read to know
 */
export function composeTree(request: CopyRequest, nodes: TreeNodes): Composition | undefined {
  const root: Growing = { attributes: { mode: 0, uid: 0, gid: 0 }, entries: new Map() };
  const { destination } = request;
  if (destination.shared || ancestorXattrs(destination).size > 0) return undefined;
  try {
    for (const { path, attributes } of ancestorDirectories(request))
      addDirectory(root, path, attributes);
    const canReplace = request.selections.every(({ links }) => links === undefined);
    for (const selection of request.selections)
      addSelection(root, request, nodes, selection, canReplace);
  } catch (error) {
    if (error instanceof NotComposable) return undefined;
    throw error;
  }
  return { tree: finish(root, nodes.write), links: getLinks(request) };
}
