/** Trees of one directory into another one. */
import { requestFiles, rootPath } from './file-server.js';
import { ASK } from './frames.js';
import { payloadReader, payloadWriter } from './payload.js';

/** What became of a tree. */
export interface PlacedTree {
  /** Entries in the new tree, its own directory counted. */
  readonly entries: number;
  /** Nothing failed; a part of the tree may be there otherwise. */
  readonly done: boolean;
}

/** Paths below both directories. */
export interface TreePaths {
  readonly from: string;
  readonly into: string;
}

/**
 * Links or copies trees into another directory; their directories get the same mode, owner and time,
 * and no extended attributes.
 * @param from trusted path
 * @param into trusted path; the directories that hold the trees are there
 * @returns one for each path
 * @throws the file system's errors where a root can't be opened, IsolationError
 */
export async function placeTrees(
  how: 'link' | 'copy',
  from: string,
  into: string,
  trees: readonly TreePaths[],
): Promise<PlacedTree[]> {
  const payload = payloadWriter().text(rootPath(from)).text(rootPath(into));
  payload.number(Number(how === 'copy'));
  for (const tree of trees) payload.text(tree.from).text(tree.into);
  const placed: PlacedTree[] = [];
  const onRecords = (records: Buffer) => {
    const reader = payloadReader(records);
    while (!reader.isEmpty())
      placed.push({ entries: reader.number(), done: reader.number() === 0 });
  };
  onRecords(await requestFiles(ASK.link, payload.end(), onRecords));
  return placed;
}

/** A file below a directory. */
export interface FilePlace {
  /** Trusted path. */
  readonly root: string;
  /** Relative to it; '' is the root itself. */
  readonly path: string;
}

/**
 * Copies a file with all that belongs to it, in place of what is there; or what is in a directory into
 * the directory that the target is. Holes stay holes, several names of a file stay that.
 * @throws the file system's errors, IsolationError
 */
export async function copyFileTree(from: FilePlace, target: FilePlace): Promise<void> {
  const payload = payloadWriter();
  for (const { root, path } of [from, target]) payload.text(rootPath(root)).text(path || '.');
  await requestFiles(ASK.copy, payload.end());
}
