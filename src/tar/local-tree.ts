/**
 * The merged tree of an image into a directory of this machine. It is unpacked into a directory of
 * its own first and moved from there, so that what already lies in the destination, symbolic links
 * above all, never decides where a file goes: rename(2) replaces a link and does not follow it.
 */
import type { Stats } from 'node:fs';
import {
  chmodSync,
  lchownSync,
  lstatSync,
  lutimesSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { fileTime } from '../file-time.js';
import { makeDirectories } from '../make-directories.js';
import { ImageError, messageOf } from '../oci/errors.js';
import { fsPath } from './entry.js';
import type { PackedLayers, PackTreeOptions } from './pack.js';
import { asStream, packTree } from './pack.js';
import { unpackLayer } from './unpack.js';

const bytes = (path: string) => Buffer.from(path).toString('latin1');
const fileAt = (path: string) => lstatSync(fsPath(path), { throwIfNoEntry: false });

/** A directory that stays gets what the image's directory had. */
function adopt(path: string, { mode, uid, gid, mtimeMs }: Stats): void {
  lchownSync(fsPath(path), uid, gid);
  chmodSync(fsPath(path), mode & 0o7777);
  const time = fileTime(mtimeMs / 1000);
  lutimesSync(fsPath(path), time, time);
}

/** Moves everything in one directory into another; paths are byte strings. */
function moveInto(from: string, to: string): void {
  for (const name of readdirSync(fsPath(from), 'latin1')) {
    const source = `${from}/${name}`;
    const target = `${to}/${name}`;
    const existing = fileAt(target);
    const moved = lstatSync(fsPath(source));
    if (moved.isDirectory() && existing?.isDirectory()) {
      moveInto(source, target);
      adopt(target, moved);
      continue;
    }
    // rename(2) replaces files, but no directory by a file or a file by a directory.
    if (existing && (moved.isDirectory() || existing.isDirectory())) {
      rmSync(fsPath(target), { recursive: true });
    }
    renameSync(fsPath(source), fsPath(target));
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
  const target = resolve(destination);
  let staging: string | undefined;
  try {
    makeDirectories(target);
    // Below the destination, because only there it is certain to be on the same file system.
    staging = mkdtempSync(join(target, '.wiac-export-'));
    const archive = addAbortSignal(options.signal, asStream(packTree(layers, options)));
    await unpackLayer(archive, staging, { rootless: options.rootless });
    moveInto(bytes(staging), bytes(target));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).syscall === undefined) throw cause;
    throw new ImageError(`cannot write to ${destination}: ${messageOf(cause)}`, { cause });
  } finally {
    if (staging !== undefined) rmSync(staging, { recursive: true, force: true });
  }
}
