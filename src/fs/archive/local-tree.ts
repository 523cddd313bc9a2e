/**
 * The merged tree of an image into a directory of this machine. It is unpacked into a directory of
 * its own first and moved from there, so that what already lies in the destination, symbolic links
 * above all, never decides where a file goes: rename(2) replaces a link and does not follow it.
 */
import type { Stats } from 'node:fs';
import { lstatSync, mkdtempSync, readdirSync, renameSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { addAbortSignal } from 'node:stream';
import { ImageError, whyUnwritten } from '../../oci/image-error.js';
import { atExit } from '../../util/at-exit.js';
import type { ByteString } from '../../util/byte-string.js';
import { fsPath } from '../../util/byte-string.js';
import { makeDirectories } from '../../util/make-directories.js';
import type { Directory } from '../directory.js';
import { closeDirectory, entryPath, openDirectory, openRoot } from '../directory.js';
import { removeTree } from '../remove-tree.js';
import { setDirectory, setDirectoryTime } from '../write.js';
import type { PackedLayers, PackTreeOptions } from './pack.js';
import { asStream, packTree } from './pack.js';
import { unpackLayer } from './unpack-layer.js';

const at = (directory: Directory, name: ByteString) => fsPath(entryPath(directory, name));
const fileAt = (directory: Directory, name: ByteString) =>
  lstatSync(at(directory, name), { throwIfNoEntry: false });

/** A directory that stays gets what the image's directory had. */
function adopt(directory: Directory, { mode, uid, gid, mtimeMs }: Stats): void {
  setDirectory(directory, { mode: mode & 0o7777, uid, gid });
  setDirectoryTime(directory, mtimeMs);
}

/**
 * Moves everything in one directory into another. Both are held open: the owner of the destination
 * may put a symbolic link anywhere in it meanwhile, and none is followed.
 */
function moveInto(from: Directory, to: Directory): void {
  for (const name of readdirSync(from.path, 'latin1')) {
    const moved = lstatSync(at(from, name));
    const existing = fileAt(to, name);
    if (moved.isDirectory() && existing?.isDirectory()) {
      mergeDirectory(from, to, name, moved);
      continue;
    }
    // rename(2) replaces files, but no directory by a file or a file by a directory.
    if (existing && (moved.isDirectory() || existing.isDirectory()))
      removeTree(entryPath(to, name), 'bytes');
    renameSync(at(from, name), at(to, name));
  }
}

function mergeDirectory(from: Directory, to: Directory, name: ByteString, stats: Stats): void {
  const source = openDirectory(from, name, 'bytes');
  try {
    const target = openDirectory(to, name, 'bytes');
    try {
      moveInto(source, target);
      adopt(target, stats);
    } finally {
      closeDirectory(target);
    }
  } finally {
    closeDirectory(source);
  }
}

/** Unpacks into a new directory beside the destination, and moves the result into it. */
async function unpackThrough(
  archive: Readable,
  target: Directory,
  rootless: boolean,
): Promise<void> {
  // Below the destination, because only there it is certain to be on the same file system.
  const path = mkdtempSync(`${target.path}/.wiac-export-`);
  const staging = openDirectory(target, basename(path));
  const done = atExit(() => removeTree(path));
  try {
    // Outside of layers a mark would be an empty file, which is not what the tree has there.
    await unpackLayer(archive, staging.path, { rootless, withoutDevices: rootless });
    moveInto(staging, target);
  } finally {
    closeDirectory(staging);
    removeTree(path);
    done();
  }
}

/**
 * Writes the merged view of layers below a directory, which is made if need be. Files that are
 * there are replaced, others stay; directories are merged.
 * @param layers topmost first
 * @throws ImageError when the destination can't be written, NoSpaceError, as packTree
 */
export async function writeLocalTree(
  layers: PackedLayers,
  destination: string,
  options: PackTreeOptions & { readonly rootless: boolean; readonly signal: AbortSignal },
): Promise<void> {
  let target: Directory | undefined;
  try {
    const path = resolve(destination);
    makeDirectories(path);
    target = openRoot(path);
    const archive = addAbortSignal(options.signal, asStream(packTree(layers, options)));
    await unpackThrough(archive, target, options.rootless);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).syscall === undefined) throw cause;
    throw new ImageError(`cannot write to ${destination}: ${whyUnwritten(cause)}`, { cause });
  } finally {
    if (target) closeDirectory(target);
  }
}
