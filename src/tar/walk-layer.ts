/** The files of a layer directory in the order of its archive. */
import type { BigIntStats } from 'node:fs';
import { lstatSync, readdirSync } from 'node:fs';
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
  readonly device: bigint;
  /** Equal for hard links to one file; undefined when it has one name only. */
  readonly inode: string | undefined;
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

function timeOf(nanoseconds: bigint): TarTime {
  const rest = ((nanoseconds % BILLION) + BILLION) % BILLION;
  return { seconds: Number((nanoseconds - rest) / BILLION), nanoseconds: Number(rest) };
}

/** @returns undefined for sockets, which mean nothing without their process */
function member(path: ByteString, stats: BigIntStats): LayerMember | undefined {
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
    mtime: timeOf(stats.mtimeNs),
    device: stats.rdev,
    inode: linked ? `${stats.dev}:${stats.ino}` : undefined,
  };
}

function children(root: ByteString, directory: ByteString): LayerMember[] {
  const found: LayerMember[] = [];
  for (const name of readdirSync(fsPath(`${root}/${directory}`), 'latin1')) {
    const path = directory === '' ? name : `${directory}/${name}`;
    const one = member(path, lstatSync(fsPath(`${root}/${path}`), { bigint: true }));
    if (one !== undefined) found.push(one);
  }
  // layer.md: whiteouts should come before their siblings.
  const rank = ({ type }: LayerMember) => (type === 'whiteout' ? 0 : 1);
  return found.sort((a, b) => rank(a) - rank(b) || (a.path < b.path ? -1 : 1));
}

/**
 * The layer itself, then everything below it: parents before what they hold, names of one
 * directory in the order of their bytes, whiteouts first.
 */
export function* walkLayer(root: ByteString): Generator<LayerMember> {
  const top = member('', lstatSync(fsPath(root), { bigint: true }));
  const stack = top === undefined ? [] : [top];
  for (let one = stack.pop(); one !== undefined; one = stack.pop()) {
    yield one;
    if (one.type === 'dir') stack.push(...children(root, one.path).reverse());
  }
}
