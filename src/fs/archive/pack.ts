/** Layer directories into layer archives (OCI image-spec, layer.md), merged trees into plain ones. */
import { readlinkSync } from 'node:fs';
import { Readable } from 'node:stream';
import { paxBlocks, putHeader } from '../../oci/tar/encode.js';
import type { ByteString, TarEntry } from '../../oci/tar/entry.js';
import { BLOCK } from '../../oci/tar/entry.js';
import { OPAQUE_NAME, WHITEOUT_PREFIX } from '../../oci/tar/member-name.js';
import { toByteString } from '../../util/byte-string.js';
import { takeDeviceMark } from '../device-marks.js';
import { readTreeXattrs } from '../scan/tree-xattrs.js';
import { withShortPath } from '../short-path.js';
import type { ByteLayer, LayerMember, LocatedMember } from './walk-layer.js';
import { walkLayer, walkMerged } from './walk-layer.js';
import type { Window, WindowMemory } from './windows.js';
import { createWindowMemory, createWindowWriter, getBytes, WINDOW } from './windows.js';

export interface PackOptions {
  /** The layer's opaque directories, relative to it. */
  readonly opaque: readonly string[];
  /** Later times become this one, in seconds since the epoch: BuildKit's rewrite-timestamp. */
  readonly latest?: number | undefined;
  /** Earlier times become it as well. */
  readonly everyFile?: boolean | undefined;
  /**
   * Leave out what is behind the point, as the layers of Docker, BuildKit and buildah do: it would
   * cost a pax header for each file.
   */
  readonly wholeSeconds?: boolean | undefined;
  /** No file has extended attributes: to ask each of them takes a process of its own. */
  readonly withoutXattrs?: boolean | undefined;
  /** Is told of the newest time that was written, in seconds, before the archive ends. */
  readonly onNewest?: ((seconds: number) => void) | undefined;
  /** Where the windows come from; the reader gives them back. */
  readonly memory: WindowMemory;
}

/** To whom all files are given. */
export interface NewOwner {
  readonly uid: number;
  readonly gid: number;
  /** Is that who owns the image's own files: root is root? False: it stands for an ordinary user. */
  readonly isSame: boolean;
}

/** How the files of a tree are written. */
export interface PackTreeOptions {
  /** Everybody's time, in seconds since the epoch; undefined: their own. */
  readonly time?: number | undefined;
  /** Everybody's owner; undefined: their own. */
  readonly owner?: NewOwner | undefined;
  /** Is told of every entry before it is written, and may throw. */
  readonly onEntry?: ((name: ByteString, isDirectory: boolean) => void) | undefined;
  /** Is told how many bytes of the archive were made. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/** Layers, topmost first, whose merged view is packed. */
export type PackedLayers = readonly {
  readonly path: string;
  readonly opaque: ReadonlySet<string>;
}[];

/** One of several trees in an archive. */
export interface PackedTree {
  readonly layers: PackedLayers;
  /** Where in the archive it is; empty: at its top. */
  readonly directory: string;
}

/** Changes to an entry before it is written. */
type Change = (entry: TarEntry) => TarEntry;

const ZEROS = Buffer.alloc(2 * BLOCK);

type Xattrs = TarEntry['xattrs'];

const NOTHING: TarEntry = {
  name: '',
  type: 'file',
  mode: 0,
  uid: 0,
  gid: 0,
  size: 0,
  // The time at which something was deleted says nothing, and would differ with each build.
  mtime: { seconds: 0, nanoseconds: 0 },
  linkName: '',
  major: 0,
  minor: 0,
  xattrs: [],
  sparse: undefined,
};

function getMajor(device: bigint): number {
  return Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n));
}

function getMinor(device: bigint): number {
  return Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n));
}

function beside(path: ByteString, name: ByteString): ByteString {
  return path.slice(0, path.lastIndexOf('/') + 1) + name;
}

/** What a member is in the archive; links maps inodes to the name that has the data. */
function getEntry(
  { member, file }: LocatedMember,
  xattrs: Xattrs,
  links: Map<string, ByteString>,
): TarEntry {
  const { path, type, mode, uid, gid, size, mtime, device, inode } = member;
  if (type === 'whiteout') {
    const hidden = path.slice(path.lastIndexOf('/') + 1);
    return { ...NOTHING, name: beside(path, WHITEOUT_PREFIX + hidden) };
  }
  const first = inode === undefined ? undefined : links.get(inode);
  if (inode !== undefined && first === undefined) links.set(inode, path);
  const target = () => withShortPath(file, (short) => readlinkSync(short, 'latin1'));
  const linkName = first ?? (type === 'symlink' ? target() : '');
  return {
    name: type === 'dir' ? `${path === '' ? '.' : path}/` : path,
    type: first === undefined ? type : 'link',
    mode,
    uid,
    gid,
    size: first === undefined ? size : 0,
    mtime,
    linkName,
    major: device === 0n || first !== undefined ? 0 : getMajor(device),
    minor: device === 0n || first !== undefined ? 0 : getMinor(device),
    xattrs: first === undefined ? xattrs : [],
    sparse: undefined,
  };
}

/** The layer's own directory gets a member only when its attributes are not the default ones. */
function isPlainRoot({ path, mode, uid, gid }: LayerMember, xattrs: Xattrs): boolean {
  return path === '' && mode === 0o755 && uid === 0 && gid === 0 && xattrs.length === 0;
}

const NO_XATTRS: Xattrs = [];

/** Values of xattrs as bytes. */
function rawXattrs(found: readonly (readonly [ByteString, string])[] | undefined): Xattrs {
  if (found === undefined) return NO_XATTRS;
  return found.map(([name, hex]) => [name, Buffer.from(hex, 'hex').toString('latin1')]);
}

/** A file that stands for a device is one in the archive. @param found not empty */
function withoutMark(
  located: LocatedMember,
  found: Xattrs,
): { readonly xattrs: Xattrs; readonly shown: LocatedMember } {
  const { member } = located;
  const { xattrs, device } = takeDeviceMark(
    found,
    member.type === 'file' && member.size === 0,
    String,
  );
  if (!device) return { xattrs, shown: located };
  const node = { type: device.type, device: BigInt(device.device) };
  return { xattrs, shown: { ...located, member: { ...member, ...node } } };
}

/** The windows of the members, without a turn of the event loop for each of them. */
function* windowsOfMembers(
  walk: Iterable<LocatedMember>,
  getXattrs: ReadonlyMap<ByteString, readonly (readonly [ByteString, string])[]>,
  opaque: ReadonlySet<ByteString>,
  change: Change,
  memory: WindowMemory,
  last: boolean,
): Generator<Window> {
  const links = new Map<string, ByteString>();
  const writer = createWindowWriter(memory);
  function* put(entry: TarEntry, file: ByteString): Generator<Window> {
    const before = paxBlocks(entry);
    if (before) yield* writer.add(before);
    const { bytes, at } = writer.block();
    putHeader(bytes, at, entry);
    yield* writer.endBlock();
    if (entry.size > 0) yield* writer.addFile(file, entry.size);
  }
  for (const located of walk) {
    const { member, file } = located;
    // Mostly there are none: to look a path up in a table takes as long as to write its header.
    const found = getXattrs.size === 0 ? NO_XATTRS : rawXattrs(getXattrs.get(file));
    const taken = found.length === 0 ? undefined : withoutMark(located, found);
    const xattrs = taken?.xattrs ?? found;
    const shown = taken?.shown ?? located;
    if (!isPlainRoot(member, xattrs)) yield* put(change(getEntry(shown, xattrs, links)), file);
    if (member.type === 'dir' && opaque.has(member.path)) {
      const name = member.path === '' ? OPAQUE_NAME : `${member.path}/${OPAQUE_NAME}`;
      yield* put({ ...NOTHING, name }, file);
    }
  }
  if (last) yield* writer.add(ZEROS);
  yield* writer.rest();
}

/** Members that are looked up while wiac-sys is at work: at most, and between two looks at it. */
const READ_AHEAD = 50_000;
const STEP = 500;

/** Lets in what other processes have to say. */
const turn = () => new Promise<void>((resume) => setImmediate(resume));

/** @param roots directories whose files may have extended attributes */
async function* archive(
  roots: readonly string[],
  walk: Iterator<LocatedMember>,
  opaque: ReadonlySet<ByteString>,
  change: Change,
  memory: WindowMemory,
  last = true,
): AsyncGenerator<Window> {
  let done = roots.length === 0;
  const reading = Promise.all(roots.map(readTreeXattrs)).finally(() => {
    done = true;
  });
  // It is waited for below, unless the walk fails first.
  reading.catch(() => {});
  // wiac-sys is a process of its own: until it is done there is something to do here.
  const ahead: LocatedMember[] = [];
  while (!done && ahead.length < READ_AHEAD) {
    const { value, done: ended } = walk.next();
    if (ended) break;
    ahead.push(value);
    if (ahead.length % STEP === 0) await turn();
  }
  const xattrs = (await reading).flatMap((found) => [...found]);
  const members = (function* () {
    yield* ahead;
    yield* { [Symbol.iterator]: () => walk };
  })();
  yield* windowsOfMembers(members, new Map(xattrs), opaque, change, memory, last);
}

/** An archive as a stream; who can take the chunks as they come saves a copy of each. */
export function asStream(chunks: AsyncIterable<Buffer>): Readable {
  return Readable.from(chunks, { objectMode: false, highWaterMark: WINDOW });
}

/**
 * Packs a layer in overlayfs form. The same files give the same bytes, on every machine: entries
 * in a fixed order, no names of users, no times of access, only the pax records that are needed.
 * Sockets are left out; sparse files are written with their holes as zeros.
 * @returns the archive's windows, which files are to be read into
 * @throws (while reading) the file system's errors, IsolationError; see also fillWindow
 */
export async function* packLayer(directory: string, options: PackOptions): AsyncGenerator<Window> {
  const { latest, everyFile, wholeSeconds, withoutXattrs, onNewest, opaque, memory } = options;
  let newest = 0;
  const change: Change = (entry) => {
    const { seconds } = entry.mtime;
    const late = latest !== undefined && (everyFile || seconds >= latest);
    newest = Math.max(newest, late ? latest : seconds);
    return late ? { ...entry, mtime: { seconds: latest, nanoseconds: 0 } } : entry;
  };
  const walk = walkLayer(toByteString(directory), wholeSeconds ?? false);
  const roots = withoutXattrs ? [] : [directory];
  yield* archive(roots, walk, new Set(opaque.map(toByteString)), change, memory);
  onNewest?.(newest);
}

/** Puts the entries of a tree below a directory of the archive. */
function below(directory: string): Change {
  if (directory === '') return (entry) => entry;
  const prefix = `${toByteString(directory)}/`;
  return (entry) => ({
    ...entry,
    name: prefix + (entry.name === './' ? '' : entry.name),
    linkName: entry.type === 'link' ? prefix + entry.linkName : entry.linkName,
  });
}

const [SETUID, SETGID] = [0o4000, 0o2000];

/**
 * A program that runs as its owner, whoever starts it, must not run as one who was never asked: chown(2) sees to
 * that, too. @returns what the entry gets
 */
function givenTo(owner: NewOwner, { type, mode, uid, gid }: TarEntry) {
  const ids = { uid: owner.uid, gid: owner.gid };
  if (type === 'dir') return ids;
  const lost =
    (owner.isSame && uid === owner.uid ? 0 : SETUID) |
    (owner.isSame && gid === owner.gid ? 0 : SETGID);
  return { ...ids, mode: mode & ~lost };
}

async function* archiveTrees(
  trees: readonly PackedTree[],
  { time, owner, onEntry }: PackTreeOptions,
  memory: WindowMemory,
): AsyncGenerator<Window> {
  for (const tree of trees) {
    const { layers, directory } = tree;
    const stack = layers.map(
      ({ path, opaque }): ByteLayer => ({
        root: toByteString(path),
        opaque: new Set([...opaque].map(toByteString)),
      }),
    );
    const move = below(directory);
    const change: Change = (entry) => {
      const moved = move(entry);
      onEntry?.(moved.name, moved.type === 'dir');
      const times = time === undefined ? {} : { mtime: { seconds: time, nanoseconds: 0 } };
      return { ...moved, ...(owner && givenTo(owner, moved)), ...times };
    };
    const roots = layers.map(({ path }) => path);
    const last = tree === trees.at(-1);
    yield* archive(roots, walkMerged(stack), new Set(), change, memory, last);
  }
}

/**
 * Packs the merged views of layers as a plain archive: no whiteouts, hard links as such.
 * @throws as packLayer
 */
export async function* packTrees(
  trees: readonly PackedTree[],
  options: PackTreeOptions,
): AsyncGenerator<Buffer> {
  const memory = createWindowMemory();
  for await (const piece of getBytes(archiveTrees(trees, options, memory), memory)) {
    options.onBytes?.(piece.length);
    yield piece;
  }
}

/** The same for one tree, at the top of the archive. */
export function packTree(layers: PackedLayers, options: PackTreeOptions): AsyncGenerator<Buffer> {
  return packTrees([{ layers, directory: '' }], options);
}
