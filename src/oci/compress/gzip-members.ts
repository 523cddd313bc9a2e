/**
 * A part of a layer as gzip members (RFC 1952, 2.2), which every reader takes as one file. The bytes
 * come from libdeflate in WebAssembly: they depend on the data and the level alone, not on Node's
 * zlib, which finds other matches on other processors and changes from release to release. It needs
 * half of zlib's time for nearly the same size as well.
 */
// libdeflate's own checksum takes three times as long in WebAssembly.
import { crc32 } from 'node:zlib';
import { isDense } from './dense.js';
import { deflate } from './libdeflate/deflate.js';

/**
 * Bytes of which one part is looked at to tell whether they can be compressed. To change that, or
 * what is dense, is to change every digest.
 */
const BLOCK = 64 << 10;

/** No name, no time, and an unknown system (RFC 1952, 2.3.1). */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
const TRAILER_BYTES = 8;

/** Bytes of a stored block at most, and of what precedes them (RFC 1951, 3.2.4). */
const STORED = 0xffff;
const STORED_HEADER_BYTES = 5;

/** Neighbouring blocks of one kind. */
interface Run {
  readonly start: number;
  end: number;
  /** Compressed data, keys, random numbers: deflate would spend most of its time on nothing. */
  readonly dense: boolean;
}

function getRuns(window: Buffer): Run[] {
  const runs: Run[] = [];
  for (let start = 0; start < window.length; start += BLOCK) {
    const end = Math.min(start + BLOCK, window.length);
    const dense = isDense(window.subarray(start, end));
    const last = runs.at(-1);
    if (last?.dense === dense) last.end = end;
    else runs.push({ start, end, dense });
  }
  // An empty archive is one empty member.
  return runs.length === 0 ? [{ start: 0, end: 0, dense: false }] : runs;
}

/** Deflate's way to say bytes as they are: blocks of them, the last one marked. */
function storedBlocks(data: Buffer): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < data.length; at += STORED) {
    const bytes = data.subarray(at, at + STORED);
    const header = Buffer.alloc(STORED_HEADER_BYTES);
    header.writeUInt8(at + bytes.length === data.length ? 1 : 0, 0);
    header.writeUInt16LE(bytes.length, 1);
    header.writeUInt16LE(bytes.length ^ 0xffff, 3);
    parts.push(header, bytes);
  }
  return parts;
}

function trailer(data: Buffer): Buffer {
  const bytes = Buffer.alloc(TRAILER_BYTES);
  bytes.writeUInt32LE(crc32(data), 0);
  bytes.writeUInt32LE(data.length, 4);
  return bytes;
}

/**
 * Compresses a window.
 * @param window the layer's bytes, in one piece
 * @param level 1 to 9
 * @returns one member, or several where some of the data can't be compressed; in memory of their
 *   own, which can be handed to another thread
 */
export function gzipMembers(window: Buffer, level: number): Buffer<ArrayBuffer> {
  const parts = getRuns(window).flatMap(({ start, end, dense }) => {
    const data = window.subarray(start, end);
    return [HEADER, ...(dense ? storedBlocks(data) : [deflate(data, level)]), trailer(data)];
  });
  const bytes = parts.reduce((sum, { length }) => sum + length, 0);
  const members = Buffer.allocUnsafeSlow(bytes);
  let at = 0;
  for (const part of parts) {
    members.set(part, at);
    at += part.length;
  }
  return members;
}
