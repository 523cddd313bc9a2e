/** Two layers file by file: what one has and the other has not, or has in another way. */
import { closeSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { toByteString } from '../../util/byte-string.js';
import type { OpenFile } from '../read.js';
import { openFile, readBuffer, readLink } from '../read.js';
import type { FileStats } from '../scan/file-stats.js';
import { fileStats } from '../scan/file-stats.js';
import { linkGroups } from '../scan/hard-links.js';
import type { ScannedDirectory } from '../scan/listing.js';
import { listTree } from '../scan/listing.js';
import type { Xattrs } from '../scan/tree.js';
import { readTreeXattrs } from '../scan/tree-xattrs.js';
import { parentPath, pathBelow } from '../tree-path.js';
import type { Walker } from '../walker.js';
import { openWalker } from '../walker.js';
import type { ContentDifference } from './compare-content.js';
import { compareContent } from './compare-content.js';
import { layerSource, opaqueDirectories } from './layer-digest.js';

/** In what two files of one path can differ. */
export type Aspect =
  | 'kind'
  | 'content'
  | 'target'
  | 'device'
  | 'mode'
  | 'owner'
  | 'xattrs'
  | 'links'
  | 'opaque'
  | 'mtime';

/** A path at which two layers differ. */
export interface FileDifference {
  /** Relative to the layers; '' is their root. */
  readonly path: string;
  /** Undefined: that layer has nothing there. */
  readonly first: FileStats | undefined;
  readonly second: FileStats | undefined;
  /** In what they differ where both are there; an mtime alone counts as well. */
  readonly aspects: readonly Aspect[];
  readonly content?: ContentDifference | undefined;
  /** Targets of two symbolic links. */
  readonly targets?: readonly [string, string] | undefined;
  /** Extended attributes of both, without overlayfs's own. */
  readonly xattrs?: readonly [Xattrs, Xattrs] | undefined;
}

/** One of the two layers. */
interface Side {
  readonly root: string;
  readonly walker: Walker;
  readonly tree: ScannedDirectory;
  readonly xattrs: ReadonlyMap<string, Xattrs>;
  readonly opaque: ReadonlySet<string>;
  /** The names of a file that has several, by each of them. */
  readonly links: ReadonlyMap<string, string>;
}

async function openSide(root: string, onlyTimes: boolean): Promise<Side> {
  const source = layerSource(root);
  try {
    const tree = await listTree(source, '');
    const groups = linkGroups(tree) ?? [];
    return {
      root,
      walker: openWalker(root),
      tree,
      xattrs: onlyTimes ? new Map() : await readTreeXattrs(root),
      opaque: new Set(onlyTimes ? [] : await opaqueDirectories(root)),
      links: new Map(groups.flatMap((group) => group.map((path) => [path, group.join('\0')]))),
    };
  } finally {
    source.close();
  }
}

const NO_XATTRS: Xattrs = [];

function xattrsAt({ root, xattrs }: Side, path: string): Xattrs {
  const absolute = path === '' ? root : `${root}/${path}`;
  return xattrs.get(toByteString(absolute)) ?? NO_XATTRS;
}

function openAt({ walker }: Side, path: string): OpenFile {
  const file = openFile(walker.at(parentPath(path)), basename(path));
  if (!file) throw new Error(`a file of a layer is gone: ${path}`);
  return file;
}

function linkAt({ walker }: Side, path: string): string {
  return readLink(walker.at(parentPath(path)), basename(path)) ?? '';
}

/** What comparing files needs. */
interface Comparison {
  readonly first: Side;
  readonly second: Side;
  readonly buffers: readonly [Buffer, Buffer];
  readonly onDifference: (difference: FileDifference) => void;
  readonly onlyTimes: boolean;
  readonly signal: AbortSignal;
}

function contentOf(
  { first, second, buffers }: Comparison,
  path: string,
): ContentDifference | undefined {
  const one = openAt(first, path);
  try {
    const other = openAt(second, path);
    try {
      return compareContent(one, other, buffers);
    } finally {
      closeSync(other.fd);
    }
  } finally {
    closeSync(one.fd);
  }
}

/** Two files of the same kind, or two of which one is a directory. */
function compareFiles(comparison: Comparison, path: string, a: FileStats, b: FileStats): void {
  const { first, second, onDifference, onlyTimes } = comparison;
  const sameKind = a.kind === b.kind;
  const same = a.kind;
  const isLink = sameKind && same === 'symlink';
  const targets = isLink ? ([linkAt(first, path), linkAt(second, path)] as const) : undefined;
  const isFile = sameKind && same === 'file' && !onlyTimes;
  const content = isFile ? contentOf(comparison, path) : undefined;
  const xattrs = [xattrsAt(first, path), xattrsAt(second, path)] as const;
  const checks: readonly (readonly [Aspect, boolean])[] = [
    ['kind', !sameKind],
    ['content', content !== undefined],
    ['target', targets !== undefined && targets[0] !== targets[1]],
    ['device', sameKind && (same === 'char' || same === 'block') && a.rdev !== b.rdev],
    ['mode', sameKind && !isLink && a.mode !== b.mode],
    ['owner', a.uid !== b.uid || a.gid !== b.gid],
    ['xattrs', JSON.stringify(xattrs[0]) !== JSON.stringify(xattrs[1])],
    ['links', first.links.get(path) !== second.links.get(path)],
    ['opaque', first.opaque.has(path) !== second.opaque.has(path)],
    ['mtime', a.mtimeMs !== b.mtimeMs],
  ];
  const aspects = checks.flatMap(([aspect, differs]) => (differs ? [aspect] : []));
  if (aspects.length === 0) return;
  onDifference({
    path,
    first: a,
    second: b,
    aspects,
    content,
    ...(aspects.includes('target') ? { targets } : {}),
    ...(aspects.includes('xattrs') ? { xattrs } : {}),
  });
}

function compareDirectories(
  comparison: Comparison,
  path: string,
  one: ScannedDirectory | undefined,
  other: ScannedDirectory | undefined,
): void {
  const { onDifference, signal } = comparison;
  signal.throwIfAborted();
  const before = new Map(one?.getChildren().map((child) => [child.name, child]));
  const after = new Map(other?.getChildren().map((child) => [child.name, child]));
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  for (const name of names) {
    const below = pathBelow(path, name);
    const [a, b] = [before.get(name), after.get(name)];
    if (a && b) compareFiles(comparison, below, a.stats, b.stats);
    else onDifference({ path: below, first: a?.stats, second: b?.stats, aspects: [] });
    // What is in a directory that only one has needs no saying; its other names may tell more.
    if (a?.directory && b?.directory)
      compareDirectories(comparison, below, a.directory, b.directory);
  }
}

/**
 * Compares two layers that do not change meanwhile. Content is read as a stream; of a directory that only
 * one of them has its name alone is told.
 * @param first,second trusted paths of their directories
 * @param onDifference gets what differs, in the order of the paths
 * @throws the signal's reason; ContextError for names that are not text, IsolationError
 */
export async function compareLayers(
  first: string,
  second: string,
  onDifference: (difference: FileDifference) => void,
  options: {
    /** Their digests are the same: nothing else can differ. */
    readonly onlyTimes: boolean;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { onlyTimes } = options;
  const sides = [await openSide(first, onlyTimes), await openSide(second, onlyTimes)] as const;
  const [one, other] = sides;
  const buffers = [readBuffer(), readBuffer()] as const;
  const comparison = { first: one, second: other, buffers, onDifference, ...options };
  try {
    const [a, b] = [fileStats(statSync(first)), fileStats(statSync(second))];
    compareFiles(comparison, '', a, b);
    compareDirectories(comparison, '', one.tree, other.tree);
  } finally {
    for (const { walker } of sides) walker.close();
  }
}
