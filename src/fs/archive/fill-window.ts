/** Reads the files that belong into a window of an archive: on the main thread or on another one. */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { ImageError } from '../../oci/image-error.js';
import type { ByteString } from '../../oci/tar/entry.js';
import { display } from '../../oci/tar/entry.js';
import { withShortPath } from '../short-path.js';

const { O_NOFOLLOW, O_RDONLY } = constants;

/** A piece of a file, and where it goes. Offsets and lengths in bytes. */
export interface FileRead {
  readonly path: ByteString;
  /** Offset in the file. */
  readonly from: number;
  /** Offset in the window. */
  readonly to: number;
  readonly length: number;
}

/** Pieces of files as two values, not one object each: what is sent to a thread is copied. */
export interface SentReads {
  /** Separated by NUL, which no path has. */
  readonly paths: string;
  /** from, to and length of each. */
  readonly numbers: Float64Array;
}

export function sendReads(reads: readonly FileRead[]): SentReads {
  const numbers = new Float64Array(3 * reads.length);
  reads.forEach(({ from, to, length }, index) => {
    numbers[3 * index] = from;
    numbers[3 * index + 1] = to;
    numbers[3 * index + 2] = length;
  });
  return { paths: reads.map(({ path }) => path).join('\0'), numbers };
}

export function receiveReads({ paths, numbers }: SentReads): FileRead[] {
  if (numbers.length === 0) return [];
  return paths.split('\0').map((path, index) => ({
    path,
    from: numbers[3 * index] as number,
    to: numbers[3 * index + 1] as number,
    length: numbers[3 * index + 2] as number,
  }));
}

function open(path: ByteString): number {
  try {
    return withShortPath(path, (short) => openSync(short, O_RDONLY | O_NOFOLLOW));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new ImageError(`${display(path)} was removed while it was packed`, { cause: error });
  }
}

/**
 * @returns the window's bytes, all of them
 * @throws ImageError when a file is gone or shorter than it was, and the file system's errors
 */
export function fillWindow<Bytes extends Buffer>({
  bytes,
  reads,
}: {
  readonly bytes: Bytes;
  readonly reads: readonly FileRead[];
}): Bytes {
  for (const { path, from, to, length } of reads) {
    const fd = open(path);
    try {
      for (let done = 0; done < length; ) {
        const count = readSync(fd, bytes, to + done, length - done, from + done);
        if (count === 0) throw new ImageError(`${display(path)} was cut while it was packed`);
        done += count;
      }
    } finally {
      closeSync(fd);
    }
  }
  return bytes;
}
