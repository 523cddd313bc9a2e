/** Payloads of the requests in native/files.h, and of their answers. Pure. */
import { toBytes } from '../util/byte-string.js';

const EMPTY = Buffer.alloc(0);
const END = Buffer.alloc(1);

/** Puts a payload together. */
export interface PayloadWriter {
  /** @param text without NUL (fromBytes); or its bytes */
  readonly text: (text: string | Buffer) => PayloadWriter;
  readonly number: (number: number) => PayloadWriter;
  readonly bytes: (bytes: Buffer) => PayloadWriter;
  readonly size: () => number;
  readonly end: () => Buffer;
}

export function payloadWriter(): PayloadWriter {
  const pieces: Buffer[] = [];
  let size = 0;
  const add = (piece: Buffer): PayloadWriter => {
    pieces.push(piece);
    size += piece.length;
    return writer;
  };
  const writer: PayloadWriter = {
    text: (text) => (typeof text === 'string' ? add(toBytes(`${text}\0`)) : add(text) && add(END)),
    number(number) {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32LE(number);
      return add(bytes);
    },
    bytes: (bytes) => writer.number(bytes.length) && add(bytes),
    size: () => size,
    end: () => Buffer.concat(pieces, size),
  };
  return writer;
}

/** Takes an answer apart. */
export interface PayloadReader {
  readonly isEmpty: () => boolean;
  readonly number: () => number;
  /** 64 bits. */
  readonly large: () => number;
  /** Ended by NUL, or by the end. */
  readonly text: () => Buffer;
  readonly bytes: () => Buffer;
  readonly rest: () => Buffer;
  /** Of a length that is known. */
  readonly part: (length: number) => Buffer;
  readonly hex: (length: number) => string;
}

export function payloadReader(payload: Buffer = EMPTY): PayloadReader {
  let at = 0;
  const take = (length: number) => {
    at += length;
    return at - length;
  };
  const number = () => payload.readUInt32LE(take(4));
  return {
    isEmpty: () => at === payload.length,
    number,
    large: () => Number(payload.readBigUInt64LE(take(8))),
    part: (length) => payload.subarray(take(length), at),
    hex: (length) => payload.toString('hex', take(length), at),
    text() {
      const end = payload.indexOf(0, at);
      const text = payload.subarray(at, end === -1 ? payload.length : end);
      at = end === -1 ? payload.length : end + 1;
      return text;
    },
    bytes() {
      const length = number();
      return payload.subarray(take(length), at);
    },
    rest: () => payload.subarray(take(payload.length - at)),
  };
}
