/** What one member of a tar archive says (POSIX.1-2017 pax, GNU tar manual, "Basic Tar Format"). */

import type { ByteString } from '../../util/byte-string.js';

export type { ByteString } from '../../util/byte-string.js';
export { fsPath } from '../../util/byte-string.js';

/** Time since the epoch; nanoseconds are 0 to 999,999,999 also before it. */
export interface TarTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export type TarType = 'file' | 'link' | 'symlink' | 'char' | 'block' | 'dir' | 'fifo';

/** A piece of a sparse file that has data; what lies between the pieces is a hole. */
export interface SparseSegment {
  readonly offset: number;
  readonly length: number;
}

export interface SparseFile {
  /** Size of the file with its holes, in bytes. */
  readonly realSize: number;
  /** undefined: the map precedes the data (GNU.sparse 1.0). */
  readonly segments: readonly SparseSegment[] | undefined;
}

export interface TarEntry {
  readonly name: ByteString;
  readonly type: TarType;
  /** 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of data that follow in the archive; 0 for everything but files. */
  readonly size: number;
  readonly mtime: TarTime;
  /** Target of a link or symlink, else empty. */
  readonly linkName: ByteString;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: readonly (readonly [name: ByteString, value: ByteString])[];
  readonly sparse: SparseFile | undefined;
}

export const BLOCK = 512;

/** Bytes that fill the last block of `size` bytes of data. */
export function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/** A name as people read it. */
export function display(bytes: ByteString): string {
  return JSON.stringify(Buffer.from(bytes, 'latin1').toString());
}
