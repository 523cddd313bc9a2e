/** The files of a layer directory, or of a stack of them, in the order of their archive. */
import type { BigIntStats } from 'node:fs';
import { lstatSync, readdirSync } from 'node:fs';
import type { ByteString, TarTime, TarType } from '../../oci/tar/entry.js';
import { mergeDirectory } from '../merge-layers.js';
import { withShortPath } from '../short-path.js';
import { pathBelow } from '../tree-path.js';

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
  readonly device: bigint;
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

const FORMAT = 0o170000n;
const TYPES: ReadonlyMap<bigint, LayerMember['type']> = new Map([
  [0o100000n, 'file'],
  [0o040000n, 'dir'],
  [0o120000n, 'symlink'],
  [0o020000n, 'char'],
  [0o060000n, 'block'],
  [0o010000n, 'fifo'],
]);

const BILLION = 1_000_000_000n;

function getTime(nanoseconds: bigint, wholeSeconds: boolean): TarTime {
  const rest = ((nanoseconds % BILLION) + BILLION) % BILLION;
  const seconds = Number((nanoseconds - rest) / BILLION);
  return { seconds, nanoseconds: wholeSeconds ? 0 : Number(rest) };
}

/** @returns undefined for sockets, which mean nothing without their process */
function member(
  path: ByteString,
  stats: BigIntStats,
  wholeSeconds: boolean,
): LayerMember | undefined {
  const plain = TYPES.get(stats.mode & FORMAT);
  if (plain === undefined) return undefined;
  const type = plain === 'char' && stats.rdev === 0n ? 'whiteout' : plain;
  const linked = stats.nlink > 1n && type !== 'dir' && type !== 'whiteout';
  return {
    path,
    type,
    mode: Number(stats.mode & 0o7777n),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: type === 'file' ? Number(stats.size) : 0,
    mtime: getTime(stats.mtimeNs, wholeSeconds),
    device: stats.rdev,
    inode: linked ? `${stats.dev}:${stats.ino}` : undefined,
  };
}

/** The file at a path of a layer; undefined when nothing is there, or a socket. */
function look(
  root: ByteString,
  path: ByteString,
  wholeSeconds: boolean,
): LocatedMember | undefined {
  const file = path === '' ? root : `${root}/${path}`;
  const stats = withShortPath(file, (short) =>
    lstatSync(short, { bigint: true, throwIfNoEntry: false }),
  );
  const one = stats && member(path, stats, wholeSeconds);
  return one && { member: one, file };
}

function children(root: ByteString, directory: ByteString, wholeSeconds: boolean): LocatedMember[] {
  const found: LocatedMember[] = [];
  const names = withShortPath(`${root}/${directory}`, (short) => readdirSync(short, 'latin1'));
  for (const name of names) {
    const one = look(root, pathBelow(directory, name), wholeSeconds);
    if (one !== undefined) found.push(one);
  }
  return found;
}

// layer.md: whiteouts should come before their siblings.
const rank = ({ member: { type } }: LocatedMember) => (type === 'whiteout' ? 0 : 1);

function inOrder<T extends LocatedMember>(members: T[]): T[] {
  return members.sort((a, b) => rank(a) - rank(b) || (a.member.path < b.member.path ? -1 : 1));
}

/**
 * The layer itself, then everything below it: parents before what they hold, names of one
 * directory in the order of their bytes, whiteouts first.
 * @param wholeSeconds leave out what is behind the point in times
 */
export function* walkLayer(root: ByteString, wholeSeconds: boolean): Generator<LocatedMember> {
  const top = look(root, '', wholeSeconds);
  const stack = top === undefined ? [] : [top];
  for (let one = stack.pop(); one !== undefined; one = stack.pop()) {
    yield one;
    const { type, path } = one.member;
    if (type === 'dir') stack.push(...inOrder(children(root, path, wholeSeconds)).reverse());
  }
}

/** A member of the merged view; for a directory the layers that its content comes from. */
interface MergedMember extends LocatedMember {
  readonly layers: readonly ByteLayer[];
}

/** The entries of a directory that several layers contribute to, topmost first. */
function mergedChildren({ member: { path }, layers }: MergedMember): MergedMember[] {
  const merged = mergeDirectory(layers, {
    list: ({ root }) => children(root, path, false).map((one) => [one.member.path, one] as const),
    getKind: (_, __, { member: { type } }) =>
      type === 'dir' ? 'directory' : type === 'whiteout' ? 'whiteout' : 'other',
    isOpaque: ({ opaque }, name) => opaque.has(name),
  });
  const found: MergedMember[] = [];
  for (const { file, kind, layers: from } of merged.values())
    if (kind !== 'whiteout') found.push({ ...file, layers: from });
  return inOrder(found);
}

/**
 * The merged view of a stack in the same order: what an overlay of it shows (kernel documentation,
 * filesystems/overlayfs), without a mount.
 * @param layers topmost first
 */
export function* walkMerged(layers: readonly ByteLayer[]): Generator<LocatedMember> {
  const [first] = layers;
  const root = first && look(first.root, '', false);
  const last = layers.findIndex(({ opaque }) => opaque.has(''));
  const visible = last === -1 ? [...layers] : layers.slice(0, last + 1);
  const stack: MergedMember[] = root ? [{ ...root, layers: visible }] : [];
  for (let one = stack.pop(); one !== undefined; one = stack.pop()) {
    const { member: top, file } = one;
    yield { member: top, file };
    if (top.type === 'dir') stack.push(...mergedChildren(one).reverse());
  }
}
