/** The files of a layer directory, or of a stack of them, in the order of their archive. */
import type { BigIntStats, Stats } from 'node:fs';
import { lstatSync, readdirSync } from 'node:fs';
import { fromWithin } from '../from-within.js';
import type { ByteString, TarTime, TarType } from './entry.js';
import { fsPath } from './entry.js';

/** What a file of a layer is, as far as an archive can say. */
export interface LayerMember {
  /** Relative to the layer; empty for the layer itself. */
  readonly path: ByteString;
  readonly type: Exclude<TarType, 'link'> | 'whiteout';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: TarTime;
  /** st_rdev; 0 unless it is a device. */
  readonly device: number;
  /** Equal for hard links to one file; undefined when it has one name only. */
  readonly inode: string | undefined;
}

/** A member, and the file of this machine that is behind it. */
export interface LocatedMember {
  readonly member: LayerMember;
  readonly file: ByteString;
}

/** A layer of a stack; both as bytes. */
export interface ByteLayer {
  readonly root: ByteString;
  /** Opaque directories, relative to the layer. */
  readonly opaque: ReadonlySet<ByteString>;
}

const FORMAT = 0o170000;
const TYPES: ReadonlyMap<number, LayerMember['type']> = new Map([
  [0o100000, 'file'],
  [0o040000, 'dir'],
  [0o120000, 'symlink'],
  [0o020000, 'char'],
  [0o060000, 'block'],
  [0o010000, 'fifo'],
]);

const BILLION = 1_000_000_000n;

function exactTime(nanoseconds: bigint): TarTime {
  const rest = ((nanoseconds % BILLION) + BILLION) % BILLION;
  return { seconds: Number((nanoseconds - rest) / BILLION), nanoseconds: Number(rest) };
}

/** A double tells a quarter of a microsecond: the second is right but for its last moment. */
function timeInSeconds(milliseconds: number): TarTime {
  return { seconds: Math.floor(milliseconds / 1000), nanoseconds: 0 };
}

/** @returns undefined for sockets, which mean nothing without their process */
function member(path: ByteString, stats: Stats | BigIntStats): LayerMember | undefined {
  const mode = Number(stats.mode);
  const plain = TYPES.get(mode & FORMAT);
  if (plain === undefined) return undefined;
  const device = Number(stats.rdev);
  const type = plain === 'char' && device === 0 ? 'whiteout' : plain;
  const linked = stats.nlink > 1 && type !== 'dir' && type !== 'whiteout';
  return {
    path,
    type,
    mode: mode & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: type === 'file' ? Number(stats.size) : 0,
    mtime:
      typeof stats.mtimeMs === 'bigint'
        ? exactTime((stats as BigIntStats).mtimeNs)
        : timeInSeconds(stats.mtimeMs),
    device,
    inode: linked ? `${stats.dev}:${stats.ino}` : undefined,
  };
}

/** How the times of files are read; those in whole seconds are read faster. */
interface Precision {
  readonly throwIfNoEntry: false;
  readonly bigint?: true;
}

const EXACT: Precision = { bigint: true, throwIfNoEntry: false };
const SECONDS: Precision = { throwIfNoEntry: false };

const fileOf = (root: ByteString, path: ByteString) => (path === '' ? root : `${root}/${path}`);

/**
 * The file at a path of a layer; undefined when nothing is there, or a socket.
 * @param reached how it is reached from the current directory
 */
function look(
  root: ByteString,
  path: ByteString,
  reached: ByteString,
  precision: Precision,
): LocatedMember | undefined {
  const stats = lstatSync(fsPath(reached), precision);
  const one = stats && member(path, stats);
  return one && { member: one, file: fileOf(root, path) };
}

function children(root: ByteString, directory: ByteString, precision: Precision): LocatedMember[] {
  const path = fsPath(fileOf(root, directory));
  const names = readdirSync(path, 'latin1');
  return fromWithin(path, names.length, (within) => {
    const found: LocatedMember[] = [];
    for (const name of names) {
      const child = directory === '' ? name : `${directory}/${name}`;
      const one = look(root, child, within ? name : fileOf(root, child), precision);
      if (one !== undefined) found.push(one);
    }
    return found;
  });
}

// layer.md: whiteouts should come before their siblings.
const rank = ({ member: { type } }: LocatedMember) => (type === 'whiteout' ? 0 : 1);

function inOrder<T extends LocatedMember>(members: T[]): T[] {
  return members.sort((a, b) => rank(a) - rank(b) || (a.member.path < b.member.path ? -1 : 1));
}

/**
 * The layer itself, then everything below it: parents before what they hold, names of one
 * directory in the order of their bytes, whiteouts first.
 * @param wholeSeconds cut times to seconds
 */
export function* walkLayer(root: ByteString, wholeSeconds = false): Generator<LocatedMember> {
  const precision = wholeSeconds ? SECONDS : EXACT;
  const top = look(root, '', root, precision);
  const stack = top === undefined ? [] : [top];
  for (let one = stack.pop(); one !== undefined; one = stack.pop()) {
    yield one;
    const { type, path } = one.member;
    if (type === 'dir') stack.push(...inOrder(children(root, path, precision)).reverse());
  }
}

/** A member of the merged view; for a directory the layers that its content comes from. */
interface MergedMember extends LocatedMember {
  readonly layers: ByteLayer[];
  /** Layers further down add to the directory. */
  open: boolean;
}

/** The entries of a directory that several layers contribute to, topmost first. */
function mergedChildren({ member: { path }, layers }: MergedMember): MergedMember[] {
  const found = new Map<ByteString, MergedMember>();
  for (const layer of layers) {
    for (const one of children(layer.root, path, EXACT)) {
      const { type, path: name } = one.member;
      const upper = found.get(name);
      const open = type === 'dir' && !layer.opaque.has(name);
      if (upper === undefined) found.set(name, { ...one, layers: [layer], open });
      else if (upper.open) {
        if (type === 'dir') upper.layers.push(layer);
        upper.open = open;
      }
    }
  }
  return inOrder([...found.values()].filter(({ member: { type } }) => type !== 'whiteout'));
}

/**
 * The merged view of a stack in the same order: what an overlay of it shows (kernel documentation,
 * filesystems/overlayfs), without a mount.
 * @param layers topmost first
 */
export function* walkMerged(layers: readonly ByteLayer[]): Generator<LocatedMember> {
  const [first] = layers;
  const root = first && look(first.root, '', first.root, EXACT);
  const last = layers.findIndex(({ opaque }) => opaque.has(''));
  const visible = last === -1 ? [...layers] : layers.slice(0, last + 1);
  const stack: MergedMember[] = root ? [{ ...root, layers: visible, open: false }] : [];
  for (let one = stack.pop(); one !== undefined; one = stack.pop()) {
    const { member: top, file } = one;
    yield { member: top, file };
    if (top.type === 'dir') stack.push(...mergedChildren(one).reverse());
  }
}
