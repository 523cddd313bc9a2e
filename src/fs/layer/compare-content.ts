/** Where two files begin to differ, and the bytes around that. */
import { readSync } from 'node:fs';
import type { OpenFile } from '../read.js';

/** Bytes of one of two files that differ. */
export interface Sample {
  /** Of the whole file. Bytes. */
  readonly size: number;
  /** The beginning of the file. */
  readonly head: Buffer;
  /** The bytes around the first difference, and where in the file they begin. */
  readonly window: Buffer;
  readonly windowStart: number;
  /** All of a file that is not large. */
  readonly whole: Buffer | undefined;
}

/** Two files with different content. */
export interface ContentDifference {
  /** Of the first byte that differs, from the beginning of both files. */
  readonly offset: number;
  readonly first: Sample;
  readonly second: Sample;
}

const HEAD_BYTES = 512;
/** Headers of archives lie in front of what differs in them. */
const BEFORE_BYTES = 1024;
const AFTER_BYTES = 1024;
/** Larger files are not looked at as a whole. */
const WHOLE_BYTES = 1 << 20;

function readAt({ fd }: OpenFile, position: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(Math.max(bytes, 0));
  let read = 0;
  while (read < buffer.length) {
    const got = readSync(fd, buffer, read, buffer.length - read, position + read);
    if (got === 0) break;
    read += got;
  }
  return buffer.subarray(0, read);
}

function sampleOf(file: OpenFile, offset: number): Sample {
  const { size } = file.stats;
  const windowStart = Math.max(0, offset - BEFORE_BYTES);
  return {
    size,
    head: readAt(file, 0, HEAD_BYTES),
    window: readAt(file, windowStart, offset + AFTER_BYTES - windowStart),
    windowStart,
    whole: size <= WHOLE_BYTES ? readAt(file, 0, size) : undefined,
  };
}

/** Index of the first byte that differs; the length of the shorter one when that is all there is. */
export function firstDifference(first: Buffer, second: Buffer): number {
  const length = Math.min(first.length, second.length);
  let [low, high] = [0, length];
  // Compared in halves by the C library: byte by byte is slow for large pieces.
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (first.subarray(low, middle).equals(second.subarray(low, middle))) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * Compares two files piece by piece; memory stays bounded.
 * @param buffers of the same size, used again for each pair
 * @returns undefined when they have the same content
 */
export function compareContent(
  first: OpenFile,
  second: OpenFile,
  [one, other]: readonly [Buffer, Buffer],
): ContentDifference | undefined {
  for (let position = 0; ; ) {
    const pieces = [
      one.subarray(0, readSync(first.fd, one, 0, one.length, position)),
      other.subarray(0, readSync(second.fd, other, 0, other.length, position)),
    ] as const;
    const [a, b] = pieces;
    if (a.length === 0 && b.length === 0) return undefined;
    if (!a.equals(b)) {
      const offset = position + firstDifference(a, b);
      return { offset, first: sampleOf(first, offset), second: sampleOf(second, offset) };
    }
    position += a.length;
  }
}
