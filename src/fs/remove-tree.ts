/** Removes directory trees of any depth: wiac's own ones, whatever a program has put into them. */
import type { Stats } from 'node:fs';
import { lstatSync, readdirSync, renameSync, rmdirSync, unlinkSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { ByteString } from '../util/byte-string.js';
import { fsPath, toByteString } from '../util/byte-string.js';
import type { Directory, NameForm } from './directory.js';
import { closeDirectory, entryPath, openDirectory, openRoot } from './directory.js';

/** stat(2): st_blocks counts units of 512 bytes, whatever the file system's block is. */
const BLOCK_BYTES = 512;

/** Directories below this depth are moved up first, so that neither memory nor descriptors run out. */
const MAX_DEPTH = 64;

/** What another process may have removed meanwhile. */
function unlessGone<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

// Names are bytes: a program may have made a name that is not UTF-8.
const at = (directory: Directory, name: ByteString) => fsPath(entryPath(directory, name));
const getStats = (directory: Directory, name: ByteString) =>
  lstatSync(at(directory, name), { throwIfNoEntry: false });

/** A directory that is being removed, and how many others were moved up into it. */
interface Removal {
  readonly top: Directory;
  moved: number;
}

function moveUp(removal: Removal, parent: Directory, name: ByteString): void {
  let target: string;
  do {
    removal.moved += 1;
    target = `.moved-${removal.moved}`;
  } while (getStats(removal.top, target));
  renameSync(at(parent, name), at(removal.top, target));
}

function removeEntry(
  removal: Removal,
  parent: Directory,
  name: ByteString,
  stats: Stats,
  depth: number,
): number {
  const blocks = stats.blocks * BLOCK_BYTES;
  if (!stats.isDirectory()) {
    unlessGone(() => unlinkSync(at(parent, name)));
    return stats.nlink === 1 ? blocks : 0;
  }
  if (depth === MAX_DEPTH) {
    unlessGone(() => moveUp(removal, parent, name));
    return 0;
  }
  const directory = unlessGone(() => openDirectory(parent, name, 'bytes'));
  if (!directory) return 0;
  try {
    return blocks + removeContent(removal, directory, depth + 1);
  } finally {
    closeDirectory(directory);
    unlessGone(() => rmdirSync(at(parent, name)));
  }
}

function removeContent(removal: Removal, directory: Directory, depth: number): number {
  let freed = 0;
  for (const name of unlessGone(() => readdirSync(directory.path, 'latin1')) ?? []) {
    const stats = getStats(directory, name);
    if (stats) freed += removeEntry(removal, directory, name, stats, depth);
  }
  return freed;
}

/**
 * Removes a file or a directory with everything in it. Symbolic links are removed, never followed.
 * @param path trusted up to its last component; nothing need be there
 * @param form of the path
 * @returns bytes that the file system got back: a file with other names gives none
 * @throws the file system's errors
 */
export function removeTree(path: string, form: NameForm = 'text'): number {
  const bytes = form === 'bytes' ? path : toByteString(path);
  const parent = unlessGone(() => openRoot(fsPath(dirname(bytes))));
  if (!parent) return 0;
  try {
    const name = basename(bytes);
    const stats = getStats(parent, name);
    if (!stats?.isDirectory())
      return stats ? removeEntry({ top: parent, moved: 0 }, parent, name, stats, 0) : 0;
    const top = unlessGone(() => openDirectory(parent, name, 'bytes'));
    if (!top) return 0;
    let freed = stats.blocks * BLOCK_BYTES;
    try {
      let removal: Removal;
      do {
        removal = { top, moved: 0 };
        freed += removeContent(removal, top, 0);
        // What was moved up is removed in the next round.
      } while (removal.moved > 0);
    } finally {
      closeDirectory(top);
    }
    unlessGone(() => rmdirSync(at(parent, name)));
    return freed;
  } finally {
    closeDirectory(parent);
  }
}
