/** Makes the files of a layer from the entries of its archive, in overlayfs form. */
import {
  closeSync,
  constants,
  fstatSync,
  linkSync,
  lstatSync,
  openSync,
  rmSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { ImageError } from '../oci/errors.js';
import type { Attributes, NewFileOwner } from './attributes.js';
import { keptXattrs, queueAttributes, setOpenFile, setSymlink } from './attributes.js';
import type { DirectoryNode, LayerTree } from './directories.js';
import { childPath, createTree, findDirectory, makeDirectory } from './directories.js';
import type { ByteString, TarEntry } from './entry.js';
import { display, fsPath } from './entry.js';
import { fileSink } from './file-sink.js';
import { finishLayer } from './finish-layer.js';
import { components, meaningOf } from './member-name.js';
import type { EntrySink } from './parser.js';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

export interface LayerWriter {
  /** Makes one file; its data, if any, goes to the sink. @throws ImageError */
  put(entry: TarEntry): EntrySink | undefined;
  /**
   * Makes what is made last: whiteouts, directories' permissions and times.
   * @returns the opaque directories, relative to the layer, sorted
   */
  finish(): string[];
  /** Closes what is open. */
  abandon(): void;
}

/** A place for a file that isn't a directory. */
interface Slot {
  readonly parent: DirectoryNode;
  readonly name: ByteString;
  readonly path: ByteString;
  readonly full: ByteString;
}

function newFileOwner(directory: string): NewFileOwner {
  const stats = lstatSync(directory);
  const gid = (stats.mode & 0o2000) === 0 ? (process.getegid?.() ?? 0) : stats.gid;
  return { uid: process.geteuid?.() ?? 0, gid };
}

/** Tells which permissions new files get when they are asked for. */
function createModeMemory() {
  const given = new Map<number, boolean>();
  return {
    /** Worth asking for; chown(2) takes more than these away. */
    mayBeGiven: (mode: number) => mode <= 0o777 && given.get(mode) !== false,
    /** Did a file get them? The umask, or an ACL of the directory, treats all of one mode alike. */
    wasGiven(fd: number, mode: number): boolean {
      const known = given.get(mode) ?? (fstatSync(fd).mode & 0o7777) === mode;
      given.set(mode, known);
      return known;
    },
  };
}

/** Removes what is at a slot, so that the later of two entries wins. */
function clear(tree: LayerTree, { parent, name, path, full }: Slot): void {
  if (parent.children.has(name)) {
    tree.pending.flush();
    rmSync(fsPath(full), { recursive: true });
    parent.children.delete(name);
  } else if (tree.pending.has(path)) tree.pending.flush();
}

/** Calls `make`, which fails where something is; then removes that and calls it again. */
function makeAnew<T>(slot: Slot, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    unlinkSync(fsPath(slot.full));
    return make();
  }
}

function putDirectory(tree: LayerTree, slot: Slot, attributes: Attributes): void {
  const { parent, name, path, full } = slot;
  let node = parent.children.get(name);
  if (node === undefined) {
    if (tree.pending.has(path)) tree.pending.flush();
    node = makeAnew({ parent, name, path, full }, () => makeDirectory(tree, parent, name));
  }
  node.attributes = attributes;
}

function putLink(tree: LayerTree, slot: Slot, entry: TarEntry): void {
  const parts = components(entry.linkName);
  const name = parts.pop();
  const directory = findDirectory(tree, parts, 'give up');
  const target = name === undefined || !directory ? undefined : childPath(directory, name);
  if (target === slot.path) return;
  if (target !== undefined && tree.pending.has(target)) tree.pending.flush();
  const stats =
    target === undefined
      ? undefined
      : lstatSync(fsPath(`${tree.root}/${target}`), { throwIfNoEntry: false });
  if (target === undefined || stats === undefined || stats.isDirectory()) {
    const names = `${display(entry.name)} to ${display(entry.linkName)}`;
    throw new ImageError(`the archive holds a hard link ${names}, which is no file before it`);
  }
  if (target.startsWith(`${slot.path}/`)) {
    throw new ImageError(`the hard link ${display(entry.name)} would replace its own target`);
  }
  clear(tree, slot);
  // link(2) does not follow a symlink that is the last component.
  makeAnew(slot, () => linkSync(fsPath(`${tree.root}/${target}`), fsPath(slot.full)));
}

/**
 * @param directory an empty directory; nothing is ever written outside of it
 * @param rootless refuse device nodes, and leave out xattrs that a user namespace can't set
 */
export function createLayerWriter(directory: string, rootless: boolean): LayerWriter {
  const tree = createTree(directory);
  const { pending } = tree;
  const owner = newFileOwner(directory);
  const modes = createModeMemory();
  let open: number | undefined;

  const putFile = (slot: Slot, entry: TarEntry, attributes: Attributes): EntrySink => {
    const path = fsPath(slot.full);
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    // Most files get their permissions here, without a call of their own for that.
    const { mode } = attributes;
    const ask = modes.mayBeGiven(mode);
    const fd = makeAnew(slot, () => openSync(path, flags, ask ? mode : 0o600));
    const hasMode = ask && modes.wasGiven(fd, mode);
    open = fd;
    const sink = fileSink(fd, entry.size, entry.sparse);
    return {
      write: sink.write,
      end() {
        sink.end();
        setOpenFile(fd, attributes, owner, hasMode);
        open = undefined;
        closeSync(fd);
        queueAttributes(pending, slot.path, attributes);
      },
    };
  };

  const putSpecial = (slot: Slot, entry: TarEntry, attributes: Attributes): void => {
    const { type, major, minor } = entry;
    if (type !== 'fifo' && type !== 'char' && type !== 'block') return;
    if (rootless && type !== 'fifo') {
      throw new ImageError(`the image holds the device ${display(entry.name)}`, {
        hint: 'only root can unpack images with devices: run wiac as root',
      });
    }
    const { mode, uid, gid, mtime } = attributes;
    // Nothing is there, or it has been removed: the call itself would not overwrite.
    makeAnew(slot, () => {
      if (lstatSync(fsPath(slot.full), { throwIfNoEntry: false }) !== undefined) {
        throw Object.assign(new Error('exists'), { code: 'EEXIST' });
      }
    });
    pending.add({ call: 'mknod', path: slot.path, type, mode, uid, gid, major, minor });
    queueAttributes(pending, slot.path, attributes);
    if (mtime.nanoseconds === 0) pending.add({ call: 'utime', path: slot.path, time: mtime });
  };

  const putSymlink = (slot: Slot, entry: TarEntry, attributes: Attributes): void => {
    if (entry.linkName === '' || entry.linkName.includes('\0')) {
      throw new ImageError(`the archive holds the symlink ${display(entry.name)} to nowhere`);
    }
    makeAnew(slot, () => symlinkSync(fsPath(entry.linkName), fsPath(slot.full)));
    setSymlink(slot.full, attributes, owner);
    queueAttributes(pending, slot.path, attributes);
  };

  const putEntry = (parts: readonly ByteString[], entry: TarEntry): EntrySink | undefined => {
    const attributes = { ...entry, xattrs: keptXattrs(entry.xattrs, rootless) };
    const name = parts.at(-1);
    if (name === undefined) {
      if (entry.type !== 'dir') throw new ImageError('the archive replaces the root directory');
      tree.top.attributes = attributes;
      return undefined;
    }
    const parent = findDirectory(tree, parts.slice(0, -1), 'make') ?? tree.top;
    const path = childPath(parent, name);
    const slot = { parent, name, path, full: `${tree.root}/${path}` };
    if (entry.type === 'dir') putDirectory(tree, slot, attributes);
    else if (entry.type === 'link') putLink(tree, slot, entry);
    else {
      clear(tree, slot);
      if (entry.type === 'file') return putFile(slot, entry, attributes);
      if (entry.type === 'symlink') putSymlink(slot, entry, attributes);
      else putSpecial(slot, entry, attributes);
    }
    return undefined;
  };

  return {
    put(entry) {
      const parts = components(entry.name);
      const meaning = meaningOf(parts);
      if (meaning.kind === 'entry') return putEntry(parts, entry);
      if (meaning.kind === 'ignored') return undefined;
      const node = findDirectory(tree, parts.slice(0, -1), 'make') ?? tree.top;
      if (meaning.kind === 'opaque') node.opaque = true;
      else if (node.whiteouts === undefined) node.whiteouts = [meaning.hidden];
      else node.whiteouts.push(meaning.hidden);
      return undefined;
    },
    finish: () => finishLayer(tree, rootless),
    abandon() {
      if (open !== undefined) closeSync(open);
      open = undefined;
    },
  };
}
