/**
 * The directory of one layer, as the article's script has it: `diff` with the layer's files, `work`
 * for overlayfs, and `merged`, where a running container sees its root.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../errors.js';
import { removeTree } from '../fs/remove.js';
import { makeDirectories } from '../make-directories.js';
import { messageOf } from '../oci/errors.js';

/** Where the parts of a layer directory are. */
export interface LayerDirectory {
  /** The layer's files: this is what another run takes as a lower directory. */
  readonly diff: string;
  /** Overlayfs's own, on the file system of `diff`; empty but while a program runs. */
  readonly work: string;
  /** Always empty for others: the mount on it is seen by the container alone. */
  readonly merged: string;
}

/** What overlayfs makes in its work directory. */
const OVERLAY_WORK = ['work', 'index'];

export function partsOf(layer: string): LayerDirectory {
  const [diff, work, merged] = ['diff', 'work', 'merged'].map((name) => join(layer, name));
  return { diff, work, merged } as LayerDirectory;
}

/** Makes a directory unless it is there. @throws UsageError when it can't be made */
export function makeLayerDirectory(path: string): void {
  try {
    makeDirectories(path);
  } catch (cause) {
    throw new UsageError(`the layer directory ${path} can't be made: ${messageOf(cause)}`, {
      cause,
      hint: 'name one that you may write to',
    });
  }
}

/** Removes what overlayfs left in its work directory, nothing else. */
export function emptyWork({ work }: LayerDirectory): void {
  for (const name of OVERLAY_WORK) removeTree(join(work, name));
}

/**
 * Makes `work` and `merged` of a container layer, and what is above them; `diff` is made by whoever
 * knows what its attributes have to be.
 * @throws UsageError when they can't be made, or are somebody's files
 */
export function makeContainerLayer(layer: string): LayerDirectory {
  const parts = partsOf(layer);
  makeLayerDirectory(layer);
  for (const path of [parts.work, parts.merged]) makeLayerDirectory(path);
  if (statSync(parts.diff, { throwIfNoEntry: false })?.isDirectory() === false)
    throw new UsageError(`${parts.diff} is not a directory`, { hint: 'name another layer' });
  const others = readdirSync(parts.work).filter((name) => !OVERLAY_WORK.includes(name));
  if (others.length > 0) {
    throw new UsageError(`${parts.work} holds ${others[0]}, and overlayfs would work in it`, {
      hint: 'name a directory that is no other project, or one that is not there yet',
    });
  }
  return parts;
}
