/** Makes the files of a layer from the entries of its archive, in overlayfs form. */
import {
  closeSync,
  constants,
  fstatSync,
  linkSync,
  lstatSync,
  openSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { ImageError } from '../../oci/image-error.js';
import type { ByteString, TarEntry } from '../../oci/tar/entry.js';
import { display, fsPath } from '../../oci/tar/entry.js';
import {
  cleanComponents,
  components,
  getMeaning,
  refuseWhiteout,
} from '../../oci/tar/member-name.js';
import type { EntrySink } from '../../oci/tar/parser.js';
import { removeTree } from '../remove-tree.js';
import { newFileOwner } from '../write.js';
import type { Attributes, NewFileOwner } from './attributes.js';
import { keptXattrs, queueAttributes, setOpenFile, setSymlink } from './attributes.js';
import type { BaseLayers, DirectoryNode, LayerTree } from './directories.js';
import {
  adoptDirectory,
  childPath,
  createTree,
  entryAt,
  findDirectory,
  makeDirectory,
} from './directories.js';
import { fileSink } from './file-sink.js';
import { finishLayer } from './finish-layer.js';
import { deviceNumber } from './syscalls.js';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

export interface LayerWriter {
  /** Makes one file; its data, if any, goes to the sink. @throws ImageError */
  put(entry: TarEntry): EntrySink | undefined;
  /**
   * Does the last work: whiteouts, directories' permissions and times.
   * @returns the opaque directories, relative to the layer, sorted
   */
  finish(): Promise<string[]>;
  /** Closes all descriptors. */
  abandon(): void;
}

/** A place for a file that isn't a directory. */
interface Slot {
  readonly parent: DirectoryNode;
  readonly name: ByteString;
  readonly path: ByteString;
}

/** How an archive is to be read. */
export interface LayerWriterOptions {
  /** Leave out xattrs that a user namespace can't set. */
  readonly rootless: boolean;
  /**
   * `layer`: names may be whiteouts, and no writer of layers produces `..` (image-spec layer.md).
   * `archive`: names mean files; `..` is taken for what it says as long as it stays inside. Attributes of the
   * archive's own root are those of a directory on another machine: the destination keeps its own.
   * `files`: names mean files, and those that layers reserve for whiteouts as well.
   */
  readonly names: 'layer' | 'archive' | 'files';
  /** Everything gets this owner. */
  readonly owner?: NewFileOwner | undefined;
  /** What to do with devices. Those that are made in a user namespace are marks: see device-marks.ts. */
  readonly devices?: 'make' | 'leave out' | 'refuse' | undefined;
  /** The layers below, whose directories and symbolic links the archive's names go through. */
  readonly base?: BaseLayers | undefined;
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

/** Removes the entry at a slot, so that the later of two entries wins. */
function clear(tree: LayerTree, { parent, name, path }: Slot): void {
  if (parent.children.has(name)) {
    tree.pending.flushNow();
    // Neither walker may stay in what is removed now.
    tree.second.at(parent.path);
    removeTree(`${tree.walker.at(parent.path).path}/${name}`, 'bytes');
    parent.children.delete(name);
  } else if (tree.pending.has(path)) tree.pending.flushNow();
}

/** Calls `make`, which fails where something is; then removes that and calls it again. */
function makeAnew<T>(tree: LayerTree, slot: Slot, make: (path: string | Buffer) => T): T {
  const path = entryAt(tree.walker, slot.parent, slot.name);
  try {
    return make(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    removeTree(`${tree.walker.at(slot.parent.path).path}/${slot.name}`, 'bytes');
    return make(path);
  }
}

function putDirectory(tree: LayerTree, slot: Slot, attributes: Attributes): void {
  const { parent, name, path } = slot;
  let node = parent.children.get(name);
  if (node === undefined) {
    if (tree.pending.has(path)) tree.pending.flushNow();
    const entry = entryAt(tree.walker, parent, name);
    // Only an archive that is unpacked over other files finds a directory that it has not made.
    const there = lstatSync(entry, { throwIfNoEntry: false })?.isDirectory() ?? false;
    node = there
      ? adoptDirectory(parent, name)
      : makeAnew(tree, slot, () => makeDirectory(tree, parent, name));
  }
  node.attributes = attributes;
}

/** @param parts of the link's target */
function putLink(tree: LayerTree, slot: Slot, parts: readonly ByteString[], entry: TarEntry): void {
  const name = parts.at(-1);
  const directory = findDirectory(tree, parts.slice(0, -1), 'give up');
  const refuse = () => {
    const names = `${display(entry.name)} to ${display(entry.linkName)}`;
    return new ImageError(`the archive holds a hard link ${names}, which is no file before it`);
  };
  if (name === undefined || !directory) throw refuse();
  const target = childPath(directory, name);
  if (target === slot.path) return;
  if (tree.pending.has(target)) tree.pending.flushNow();
  const source = () => entryAt(tree.second, directory, name);
  const stats = lstatSync(source(), { throwIfNoEntry: false });
  if (stats === undefined || stats.isDirectory()) throw refuse();
  if (target.startsWith(`${slot.path}/`)) {
    throw new ImageError(`the hard link ${display(entry.name)} would replace its own target`);
  }
  // Moves the second walker: the path of the source is asked for after it.
  clear(tree, slot);
  // link(2) does not follow a symlink that is the last component.
  makeAnew(tree, slot, (path) => linkSync(source(), path));
}

/**
 * @param directory trusted path; nothing is ever written outside of it. A layer's is empty
 * @param options how names are read, and what is below
 */
export function createLayerWriter(directory: string, options: LayerWriterOptions): LayerWriter {
  const { rootless } = options;
  const tree = createTree(directory, options.base);
  const getParts = options.names === 'archive' ? cleanComponents : components;
  const { pending } = tree;
  const owner = newFileOwner(statSync(directory));
  const modes = createModeMemory();
  let open: number | undefined;

  const putFile = (slot: Slot, entry: TarEntry, attributes: Attributes): EntrySink => {
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    // Most files get their permissions here, without a call of their own for that.
    const { mode } = attributes;
    const ask = modes.mayBeGiven(mode);
    const fd = makeAnew(tree, slot, (path) => openSync(path, flags, ask ? mode : 0o600));
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
    if (options.devices === 'leave out' && type !== 'fifo') return;
    if (options.devices === 'refuse' && type !== 'fifo') {
      throw new ImageError(`the archive holds the device ${display(entry.name)}`, {
        hint: 'a build context has no devices: leave them out of the archive',
      });
    }
    const { mode, uid, gid, mtime } = attributes;
    // Nothing is there, or it has been removed: the call itself would not overwrite.
    makeAnew(tree, slot, (path) => {
      if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) {
        throw Object.assign(new Error('exists'), { code: 'EEXIST' });
      }
    });
    const device = deviceNumber(major, minor);
    pending.add({ call: 'mknod', path: slot.path, type, mode, uid, gid, device });
    queueAttributes(pending, slot.path, attributes);
    if (mtime.nanoseconds === 0) pending.add({ call: 'utime', path: slot.path, time: mtime });
  };

  const putSymlink = (slot: Slot, entry: TarEntry, attributes: Attributes): void => {
    if (entry.linkName === '' || entry.linkName.includes('\0')) {
      throw new ImageError(`the archive holds the symlink ${display(entry.name)} to nowhere`);
    }
    makeAnew(tree, slot, (path) => {
      symlinkSync(fsPath(entry.linkName), path);
      setSymlink(path, attributes, owner);
    });
    queueAttributes(pending, slot.path, attributes);
  };

  const putEntry = (parts: readonly ByteString[], entry: TarEntry): EntrySink | undefined => {
    const xattrs = keptXattrs(entry.xattrs, rootless);
    const attributes = { ...entry, ...options.owner, xattrs };
    const name = parts.at(-1);
    if (name === undefined) {
      if (entry.type !== 'dir') throw new ImageError('the archive replaces the root directory');
      if (options.names !== 'archive') tree.top.attributes = attributes;
      return undefined;
    }
    const parent = findDirectory(tree, parts.slice(0, -1), 'make') ?? tree.top;
    const path = childPath(parent, name);
    const slot = { parent, name, path };
    if (entry.type === 'dir') putDirectory(tree, slot, attributes);
    else if (entry.type === 'link') putLink(tree, slot, getParts(entry.linkName), entry);
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
      const parts = getParts(entry.name);
      if (options.names === 'archive') {
        refuseWhiteout(parts);
        return putEntry(parts, entry);
      }
      if (options.names === 'files') return putEntry(parts, entry);
      const meaning = getMeaning(parts);
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
      tree.walker.close();
      tree.second.close();
    },
  };
}
