/** Layer directories into layer archives (OCI image-spec, layer.md), merged trees into plain ones. */
import { readlinkSync } from 'node:fs';
import { Readable } from 'node:stream';
import { readTreeXattrs } from '../context/xattrs.js';
import { encodeHeader } from './encode.js';
import type { ByteString, TarEntry } from './entry.js';
import { BLOCK, fsPath, padding } from './entry.js';
import { OPAQUE_NAME, WHITEOUT_PREFIX } from './member-name.js';
import type { ByteLayer, LayerMember, LocatedMember } from './walk-layer.js';
import { walkLayer, walkMerged } from './walk-layer.js';
import type { Window, WindowMemory } from './windows.js';
import { bytesOf, createWindowMemory, createWindowWriter, WINDOW } from './windows.js';

export interface PackOptions {
  /** The layer's opaque directories, relative to it. */
  readonly opaque: readonly string[];
  /** Later times become this one, in seconds since the epoch: BuildKit's rewrite-timestamp. */
  readonly latest?: number | undefined;
  /**
   * Leave out what is behind the point, as the layers of Docker, BuildKit and buildah do: it would
   * cost a pax header for each file.
   */
  readonly wholeSeconds?: boolean | undefined;
  /** Is told of the newest time that was written, in seconds, before the archive ends. */
  readonly onNewest?: ((seconds: number) => void) | undefined;
  /** Where the windows come from; the reader gives them back. */
  readonly memory: WindowMemory;
}

/** How the files of a tree are written. */
export interface PackTreeOptions {
  /** Everybody's time, in seconds since the epoch; undefined: their own. */
  readonly time?: number | undefined;
  /** Everybody's owner; undefined: their own. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
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

/** What is done to an entry before it is written. */
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

const toBytes = (text: string): ByteString => Buffer.from(text).toString('latin1');

function majorOf(device: bigint): number {
  return Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n));
}

function minorOf(device: bigint): number {
  return Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n));
}

function beside(path: ByteString, name: ByteString): ByteString {
  return path.slice(0, path.lastIndexOf('/') + 1) + name;
}

/** What a member is in the archive; links maps inodes to the name that has the data. */
function entryOf(
  { member, file }: LocatedMember,
  xattrs: Xattrs,
  links: Map<string, ByteString>,
): TarEntry {
  const { path, type, mode, uid, gid, size, mtime, device, inode } = member;
  if (type === 'whiteout') {
    const hidden = path.slice(path.lastIndexOf('/') + 1);
    return { ...NOTHING, name: beside(path, WHITEOUT_PREFIX + hidden) };
  }
  const name = type === 'dir' ? `${path === '' ? '.' : path}/` : path;
  const entry = { ...NOTHING, name, type, mode, uid, gid, size, mtime, xattrs };
  const first = inode === undefined ? undefined : links.get(inode);
  if (first !== undefined) {
    return { ...entry, type: 'link', size: 0, xattrs: [], linkName: first };
  }
  if (inode !== undefined) links.set(inode, path);
  if (type === 'symlink') {
    return { ...entry, linkName: readlinkSync(fsPath(file), 'latin1') };
  }
  return { ...entry, major: majorOf(device), minor: minorOf(device) };
}

/** The layer's own directory is told only when it isn't as everybody would make it. */
function isPlainRoot({ path, mode, uid, gid }: LayerMember, xattrs: Xattrs): boolean {
  return path === '' && mode === 0o755 && uid === 0 && gid === 0 && xattrs.length === 0;
}

/** The windows of the members, without a turn of the event loop for each of them. */
function* windowsOfMembers(
  walk: Iterable<LocatedMember>,
  xattrsOf: ReadonlyMap<ByteString, readonly (readonly [ByteString, string])[]>,
  opaque: ReadonlySet<ByteString>,
  change: Change,
  memory: WindowMemory,
  last: boolean,
): Generator<Window> {
  const links = new Map<string, ByteString>();
  const writer = createWindowWriter(memory);
  for (const located of walk) {
    const { member, file } = located;
    // Mostly there are none: to look a path up in a table takes as long as to write its header.
    const own = xattrsOf.size === 0 ? [] : (xattrsOf.get(file) ?? []);
    const raw = own.map(([name, hex]): readonly [ByteString, ByteString] => [
      name,
      Buffer.from(hex, 'hex').toString('latin1'),
    ]);
    if (!isPlainRoot(member, raw)) {
      const entry = change(entryOf(located, raw, links));
      yield* writer.add(encodeHeader(entry));
      if (entry.size > 0) {
        yield* writer.addFile(file, entry.size);
        yield* writer.add(ZEROS.subarray(0, padding(entry.size)));
      }
    }
    if (member.type === 'dir' && opaque.has(member.path)) {
      const name = member.path === '' ? OPAQUE_NAME : `${member.path}/${OPAQUE_NAME}`;
      yield* writer.add(encodeHeader({ ...NOTHING, name }));
    }
  }
  if (last) yield* writer.add(ZEROS);
  yield* writer.rest();
}

/** Members that are looked up while getfattr is at work. */
const READ_AHEAD = 2000;

/** The same members, the first of them read at once. */
function readAhead<T>(members: Iterable<T>, count: number): Iterable<T> {
  const rest = members[Symbol.iterator]();
  const first: T[] = [];
  for (let next = rest.next(); !next.done; next = rest.next()) {
    first.push(next.value);
    if (first.length === count) break;
  }
  return (function* () {
    yield* first;
    yield* { [Symbol.iterator]: () => rest };
  })();
}

async function* archive(
  roots: readonly string[],
  walk: Iterable<LocatedMember>,
  opaque: ReadonlySet<ByteString>,
  change: Change,
  memory: WindowMemory,
  last = true,
): AsyncGenerator<Window> {
  const reading = Promise.all(roots.map(readTreeXattrs));
  // It is waited for below, unless the walk fails first.
  reading.catch(() => {});
  // getfattr works in a process of its own: until it is done there is something to do here.
  const members = readAhead(walk, READ_AHEAD);
  const xattrs = (await reading).flatMap((found) => [...found]);
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
 * @throws (while reading) IsolationError when getfattr is not installed; see also fillWindow
 */
export async function* packLayer(directory: string, options: PackOptions): AsyncGenerator<Window> {
  const { latest, wholeSeconds, onNewest, opaque, memory } = options;
  let newest = 0;
  const change: Change = (entry) => {
    const { seconds, nanoseconds } = entry.mtime;
    const late = latest !== undefined && seconds >= latest;
    const mtime = late
      ? { seconds: latest, nanoseconds: 0 }
      : { seconds, nanoseconds: wholeSeconds ? 0 : nanoseconds };
    newest = Math.max(newest, mtime.seconds);
    return { ...entry, mtime };
  };
  const walk = walkLayer(toBytes(directory));
  yield* archive([directory], walk, new Set(opaque.map(toBytes)), change, memory);
  onNewest?.(newest);
}

/** Puts the entries of a tree below a directory of the archive. */
function below(directory: string): Change {
  if (directory === '') return (entry) => entry;
  const prefix = `${toBytes(directory)}/`;
  return (entry) => ({
    ...entry,
    name: prefix + (entry.name === './' ? '' : entry.name),
    linkName: entry.type === 'link' ? prefix + entry.linkName : entry.linkName,
  });
}

async function* archiveTrees(
  trees: readonly PackedTree[],
  { time, owner }: PackTreeOptions,
  memory: WindowMemory,
): AsyncGenerator<Window> {
  for (const tree of trees) {
    const { layers, directory } = tree;
    const stack = layers.map(
      ({ path, opaque }): ByteLayer => ({
        root: toBytes(path),
        opaque: new Set([...opaque].map(toBytes)),
      }),
    );
    const move = below(directory);
    const change: Change = (entry) => ({
      ...move(entry),
      ...owner,
      ...(time === undefined ? {} : { mtime: { seconds: time, nanoseconds: 0 } }),
    });
    const roots = layers.map(({ path }) => path);
    const last = tree === trees.at(-1);
    yield* archive(roots, walkMerged(stack), new Set(), change, memory, last);
  }
}

/**
 * Packs the merged views of layers as a plain archive: no whiteouts, hard links as such.
 * @throws as packLayer
 */
export function packTrees(
  trees: readonly PackedTree[],
  options: PackTreeOptions,
): AsyncGenerator<Buffer> {
  const memory = createWindowMemory();
  return bytesOf(archiveTrees(trees, options, memory), memory);
}

/** The same for one tree, at the top of the archive. */
export function packTree(layers: PackedLayers, options: PackTreeOptions): AsyncGenerator<Buffer> {
  return packTrees([{ layers, directory: '' }], options);
}
