/** Names in a directory. Strings are made when they are asked for: most are only hashed. Pure. */
import { toBytes } from '../../util/byte-string.js';

/** In code unit order, as in trees. */
export interface Names {
  readonly count: number;
  readonly all: () => readonly string[];
  /** As they are on disk, each ended by NUL. */
  readonly bytes: () => Buffer;
}

/** Names that are known as text. @param names in code unit order */
export function namesOf(names: readonly string[]): Names {
  return {
    count: names.length,
    all: () => names,
    bytes: () => toBytes(names.length === 0 ? '' : `${names.join('\0')}\0`),
  };
}

/** Names that came from wiac-sys. */
export function namesIn(bytes: Buffer, count: number): Names {
  return {
    count,
    all: () => (count === 0 ? [] : bytes.toString('utf8', 0, bytes.length - 1).split('\0')),
    bytes: () => bytes,
  };
}
